"""
How a conversation is deleted, with the entries that no other one leads to.

Whatever an entry goes with is a session whose conversation leads to it. So deleting a
session frees what only its conversation led to, once what others lead to as well was
handed to one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs
from pydantic_ai.conversation_store import ConversationConflict

from asm_async.errors import (
    RevisionConflictError,
    SessionDeletedError,
    SessionNotFoundError,
)
from asm_async.integrations.pydantic_ai.places import (
    DELETIONS,
    READERS,
    Readers,
    deletion_item,
    log_scope,
)
from asm_async.integrations.pydantic_ai.reading import (
    before_in_log,
    find_conversation,
    find_session,
    live_home,
    read_log,
)
from asm_async.integrations.pydantic_ai.records import (
    StoredConversation,
    deleted_context,
)
from asm_async.integrations.pydantic_ai.writing import MAX_ATTEMPTS
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.state_item import ItemName, StateItem


async def delete_record(
    ports: Ports, conversation_id: str, expected_revision: str
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
    for attempt in range(MAX_ATTEMPTS):
        stored = await find_conversation(ports, conversation_id)
        if stored is None or stored.record.revision != expected_revision:
            raise ConversationConflict(conversation_id)
        deletion = _Deletion(ports, stored)
        try:
            await deletion.commit()
        except (RevisionConflictError, SessionNotFoundError, SessionDeletedError):
            # A fork came, or one that was to be handed something went.
            if attempt == MAX_ATTEMPTS - 1:
                raise
        else:
            await ports.store.delete_session(stored.session.id)
            return


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
        found = (await self.ports.state.get_items(scope, [READERS])).get(READERS)
        if found is None:
            # Who wrote it was erased, and its entries with it.
            return
        readers = Readers.from_item(log_id, found)
        self.expected[readers.name] = readers.revision
        homes = await self._homes(readers.positions)
        left = {each: readers.positions[each] for each in homes}
        if readers.has_writer and log_id != session_id:
            home_id = await live_home(self.ports, readers.home_id)
            readers = attrs.evolve(readers, positions=left, home_id=home_id)
            self.items.append(readers.item())
            return
        readers = attrs.evolve(
            readers,
            positions=left,
            has_writer=False,
            is_closed=not left,
            # It goes with one of those who are left, as each of its entries does.
            home_id=next(iter(homes.values()), session_id),
        )
        self.items.append(readers.item())
        if left or log_id != session_id:
            await self._hand_over(readers, homes)

    async def _homes(self, readers: Mapping[str, object]) -> dict[str, str | None]:
        """
        Return the readers that are left, and the sessions that their entries go with.

        What only soft-deleted ones lead to goes with none, since they may come back.
        """
        homes: dict[str, str | None] = {}
        for reader_id in readers:
            reader = await find_session(self.ports, reader_id)
            if reader is not None and reader_id != self.stored.session.id:
                homes[reader_id] = None if reader.deleted_at else reader_id
        return dict(sorted(homes.items(), key=lambda home: home[1] is None))

    async def _hand_over(
        self, readers: Readers, homes: Mapping[str, str | None]
    ) -> None:
        """
        Have each entry of a log without its writer go with one who leads to it.
        """
        entries = await read_log(self.ports, readers.log_id)
        left = dict(entries)
        for reader_id, home_id in homes.items():
            for position in readers.positions[reader_id]:
                for number in before_in_log(entries, position) & left.keys():
                    entry = left.pop(number)
                    if entry.home_id not in homes:
                        self.items += attrs.evolve(entry, home_id=home_id).items()
        for entry in left.values():
            # Nobody shall find them between this and the end of the session.
            self.removed += entry.names
