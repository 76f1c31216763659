"""
How a conversation is deleted, with the entries that no other one leads to.

Whatever an entry goes with is a session whose conversation leads to it. So deleting a
session frees what only its conversation led to, once what others lead to as well was
handed to one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import attrs
from pydantic_ai.conversation_store import ConversationConflict

from asm_async.integrations.pydantic_ai.attempts import (
    Attempts,
    Refusal,
    refusal_of,
)
from asm_async.integrations.pydantic_ai.places import (
    DELETIONS,
    LOG_KEY,
    EntryLog,
    LoggedEntry,
    Reader,
    deletion_item,
    log_scope,
)
from asm_async.integrations.pydantic_ai.reading import (
    before_in_log,
    find_conversation,
    find_session,
    live_home,
    read_log,
    read_readers,
)
from asm_async.integrations.pydantic_ai.records import (
    StoredConversation,
    deleted_context,
)
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.state_item import ItemName, StateItem


async def delete_record(
    ports: Ports, conversation_id: str, expected_revision: str, attempts: Attempts
) -> None:
    """
    Delete a conversation, its session, and the entries that nobody else leads to.

    One commit marks the session, so that the conversation is gone, and hands over what
    others lead to. Then the session is deleted; if that is broken off, the next
    deletion of any conversation does it.

    Raises:
        ConversationConflict: If no such record of *expected_revision* is stored.
    """
    await finish_deletions(ports)

    async def attempt(_number: int) -> Refusal | None:
        stored = await find_conversation(ports, conversation_id)
        if stored is None or stored.record.revision != expected_revision:
            raise ConversationConflict(conversation_id)
        # It is refused if a fork came, or one that was to be handed something went.
        refusal = await refusal_of(_Deletion(ports, stored).commit())
        if refusal is None:
            await ports.store.delete_session(stored.session.id)
        return refusal

    await attempts.run(attempt)


async def finish_deletions(ports: Ports) -> None:
    """
    Delete the sessions whose deletion was broken off, or is under way.

    No id of such a session is ever that of another one.
    """
    for item in await ports.state.list_items(DELETIONS):
        await ports.store.delete_session(
            cast("dict[str, str]", item.data)["session_id"]
        )


@attrs.define
class _Deletion:
    """
    One attempt at a deletion.
    """

    ports: Ports
    stored: StoredConversation
    items: list[StateItem] = attrs.field(init=False, factory=list[StateItem])
    removed: list[ItemName] = attrs.field(init=False, factory=list[ItemName])
    expected: dict[ItemName, int] = attrs.field(init=False, factory=dict[ItemName, int])

    async def commit(self) -> None:
        """
        Mark the session and hand over what others lead to, if all is as it was.
        """
        session = self.stored.session
        for log_id in {session.id, *(log for log, _ in self.stored.reads)}:
            await self._leave(log_id)
        self.items.append(deletion_item(session.id))
        await self.ports.store.commit(
            Changes(
                session=attrs.evolve(session, context=deleted_context(session)),
                items=tuple(self.items),
                removed_items=tuple(self.removed),
            ),
            expected_revision=session.revision,
            expected_revisions=self.expected,
        )

    async def _leave(self, log_id: str) -> None:
        session_id, scope = self.stored.session.id, log_scope(log_id)
        found = (await self.ports.state.get_items(scope, [LOG_KEY])).get(LOG_KEY)
        if found is None:
            # Who wrote it was erased, and its entries with it.
            return
        log = EntryLog.from_item(log_id, found)
        self.expected[log.name] = log.revision
        home_id: str | None = session_id
        if log.has_writer and log_id != session_id:
            home_id = await live_home(self.ports, log.home_id)
            self.items.append(attrs.evolve(log, home_id=home_id).item())
            self.removed.append(Reader(session_id, ()).name_in(log_id))
            return
        readers = [
            reader
            for reader in await read_readers(self.ports, log_id)
            if reader.session_id != session_id
        ]
        if readers or log_id != session_id:
            # It goes with one of those who are left, as each of its entries does.
            live = await self._hand_over(log_id, readers)
            home_id = live if readers else session_id
        log = attrs.evolve(
            log, has_writer=False, is_closed=not readers, home_id=home_id
        )
        self.items.append(log.item())

    async def _hand_over(self, log_id: str, readers: Sequence[Reader]) -> str | None:
        """
        Have each entry of a log without its writer go with one who leads to it.

        What only soft-deleted ones lead to goes with none, since they may come back.

        Returns:
            One who is left and not soft-deleted, if there is one.
        """
        entries = await read_log(self.ports, log_id)
        left, ids = dict(entries), {reader.session_id for reader in readers}
        live: str | None = None
        soft_deleted = list[Reader]()
        for reader in readers:
            if live is not None and not left:
                break
            session = await find_session(self.ports, reader.session_id)
            if session is not None and session.deleted_at is None:
                live = live or session.id
                self._take(reader, entries, left, ids, session.id)
            elif session is not None:
                soft_deleted.append(reader)
        for reader in soft_deleted:
            self._take(reader, entries, left, ids, None)
        for entry in left.values():
            # Nobody shall find them between this and the end of the session.
            self.removed += entry.names
        return live

    def _take(
        self,
        reader: Reader,
        entries: Mapping[int, LoggedEntry],
        left: dict[int, LoggedEntry],
        reader_ids: Collection[str],
        home_id: str | None,
    ) -> None:
        for position in reader.positions:
            for number in before_in_log(entries, position) & left.keys():
                entry = left.pop(number)
                if entry.home_id not in reader_ids:
                    self.items += attrs.evolve(entry, home_id=home_id).items()
