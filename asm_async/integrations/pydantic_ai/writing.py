"""
How a record and the entries that its history adds are written, in one commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

import attrs
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
)

from asm_async.conventions import session_created
from asm_async.errors import (
    ConflictError,
    SequenceConflictError,
    SessionDeletedError,
)
from asm_async.integrations.ids import safe_id
from asm_async.integrations.pydantic_ai.attempts import (
    Attempts,
    Refusal,
    refusal_of,
)
from asm_async.integrations.pydantic_ai.events import BRANCHED, events_of, time_of
from asm_async.integrations.pydantic_ai.places import (
    LOG_KEY,
    EntryLog,
    LoggedEntry,
    LogPosition,
    Place,
    Reader,
    again_item,
    again_name,
    entry_name,
)
from asm_async.integrations.pydantic_ai.reading import (
    FoundSessions,
    find_conversation,
    find_places,
    find_sessions,
    first_session_id,
    live_home,
    user_of,
)
from asm_async.integrations.pydantic_ai.recent import RecentReads
from asm_async.integrations.pydantic_ai.records import (
    StoredConversation,
    check_unrepeated,
    context_of,
    entry_to_json,
)
from asm_async.integrations.pydantic_ai.runs import (
    SentMessage,
    run_id_of,
    run_key,
    runs_of,
)
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.ids import new_session_id
from asm_async.values.run import Run
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import ItemName, StateItem

Expected: TypeAlias = str | ItemName
"""
What a revision is expected of: a run, by its id, or an item.
"""


class RecordWriter:
    """
    Writes the records of one store.

    Each write is decided by what is read first, and the commit expects that to be
    unchanged: else it is read and decided again. What changes without the record being
    saved are the session, by the application, and a log, by its readers.

    Args:
        agent_id: The *agent_id* of new sessions.
    """

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self.recent: RecentReads = RecentReads()
        self.attempts: Attempts = Attempts()

    async def write(
        self,
        ports: Ports,
        record: ConversationRecord,
        new_entries: Sequence[ConversationEntry],
        expected_revision: str | None,
    ) -> None:
        """
        Store a record and its new entries, if the stored one has the expected revision.

        Raises:
            ConversationConflict: If the stored record has another revision, or an entry
                that the record or a new entry follows is not stored.
        """
        check_unrepeated(new_entries)
        is_first = True

        async def attempt(number: int) -> Refusal | None:
            nonlocal is_first
            found = await self._find(ports, record, expected_revision)
            if number:
                await _check_new(ports, new_entries)
            write = _Write(ports, self.agent_id, record, found.conversation())
            await write.begin(found, is_first=is_first)
            await write.add_entries(new_entries)
            refusal = await refusal_of(write.commit(is_careful=number > 0))
            # The conversation has been there before: its session's numbers go on, or
            # what it had is still being deleted. That stays so.
            is_first &= not write.is_refused_by(refusal)
            return refusal

        await self.attempts.run(attempt)

    async def _find(
        self, ports: Ports, record: ConversationRecord, expected_revision: str | None
    ) -> FoundSessions:
        stored = self.recent.take(record.conversation_id)
        if stored is not None and stored.record.revision == expected_revision:
            return FoundSessions(stored.session)
        found = await find_sessions(ports, record.conversation_id)
        stored = found.conversation()
        if stored is not None and stored.session.deleted_at is not None:
            raise SessionDeletedError(stored.session.id)
        if (stored.record.revision if stored else None) != expected_revision:
            raise ConversationConflict(record.conversation_id)
        return found


async def _check_new(ports: Ports, entries: Iterable[ConversationEntry]) -> None:
    known = await find_places(ports, [entry.id for entry in entries])
    for entry_id in known:
        raise ConflictError(f"entry {entry_id!r} is stored already, and never changes")


@attrs.define
class _Write:
    """
    One attempt at a write.
    """

    ports: Ports
    agent_id: str
    record: ConversationRecord
    stored: StoredConversation | None
    session: Session = attrs.field(init=False)
    is_first: bool = attrs.field(init=False, default=False)
    events: list[Event] = attrs.field(init=False, factory=list[Event])
    messages: list[SentMessage] = attrs.field(init=False, factory=list[SentMessage])
    items: list[StateItem] = attrs.field(init=False, factory=list[StateItem])
    expected: dict[str | ItemName, int] = attrs.field(
        init=False, factory=dict[str | ItemName, int]
    )
    places: dict[str, Place] = attrs.field(init=False, factory=dict[str, Place])
    length: int = attrs.field(init=False, default=0)

    async def begin(self, found: FoundSessions, *, is_first: bool) -> None:
        """
        Take the stored session, or begin one.
        """
        if self.stored is not None:
            self.session, self.length = self.stored.session, self.stored.length
            if self.stored.head is not None:
                head_id = cast("str", self.stored.record.head_id)
                self.places[head_id] = self.stored.head
            return
        conversation_id = self.record.conversation_id
        session_id = first_session_id(conversation_id)
        self.is_first = is_first and await self._may_be_new(found, session_id)
        if not self.is_first:
            # Nobody who still deletes the session of before can delete this one.
            session_id = safe_id("pydantic-ai", conversation_id, new_session_id())
            # By what was found it is decided that there is no other one.
            self.expected[again_name(conversation_id)] = found.again_revision
            self.items.append(again_item(conversation_id, session_id))
        self.session = await self._new_session(session_id)
        self.items.append(EntryLog(log_id=session_id, home_id=session_id).item())
        self.events.append(
            session_created(session_id=session_id, timestamp=self.record.updated_at)
        )

    async def _may_be_new(self, found: FoundSessions, session_id: str) -> bool:
        """
        Return whether no session is known to have had an id; the commit knows it.
        """
        if found.first is not None:
            return False
        # Forks may still read what one that is deleted has written.
        scope, key = EntryLog(log_id=session_id).name
        items = await self.ports.state.get_items(scope, [key])
        return not items or EntryLog.from_item(session_id, items[key]).has_writer

    def is_refused_by(self, error: Refusal | None) -> bool:
        """
        Return whether an error says that the id of the new session was another's.
        """
        if isinstance(error, SessionDeletedError):
            return error.session_id == self.session.id
        return isinstance(error, SequenceConflictError)

    async def _new_session(self, session_id: str) -> Session:
        record, parent_id = self.record, None
        metadata: dict[str, Any] = {"conversation_id": record.conversation_id}
        if record.forked_from is not None:
            source = await find_conversation(self.ports, record.forked_from)
            parent_id = first_session_id(record.forked_from)
            parent_id = source.session.id if source is not None else parent_id
            metadata["forked_from"] = record.forked_from
            metadata["forked_at"] = record.forked_at
        session = Session.new(
            id=session_id,
            agent_id=self.agent_id,
            parent_session_id=parent_id,
            metadata=metadata,
            created_at=record.updated_at,
        )
        return session.update_status(SessionStatus.ACTIVE, at=record.updated_at)

    async def add_entries(self, new_entries: Sequence[ConversationEntry]) -> None:
        """
        Find out where everything lies that the record and its entries lead to.
        """
        log_id = self.session.id
        await self._find(new_entries)
        self._tell_of_branch(new_entries)
        for position, entry in enumerate(new_entries, start=self.length + 1):
            self.length, place = position, Place(log_id, position)
            parent = None
            if entry.parent_id is not None:
                before = self._place_of(entry.parent_id)
                place = before.next_in(log_id, position)
                parent = before.position if before.log_id == log_id else None
            self.places[entry.id] = place
            self._add_entry(entry, place, parent)
        await self._become_reader()

    async def _find(self, new_entries: Sequence[ConversationEntry]) -> None:
        told = set(_tips(self.stored.record)) if self.stored else set[str]()
        parents = {entry.parent_id for entry in new_entries}
        wanted = {*_tips(self.record)} - told | {self.record.head_id} | parents
        wanted -= {None, *self.places, *(entry.id for entry in new_entries)}
        missing = [each for each in wanted if each is not None]
        self.places |= await find_places(self.ports, missing)
        for entry_id in missing:
            self._place_of(entry_id)

    def _place_of(self, entry_id: str) -> Place:
        if entry_id not in self.places:
            raise ConversationConflict(self.record.conversation_id)
        return self.places[entry_id]

    def _tell_of_branch(self, new_entries: Sequence[ConversationEntry]) -> None:
        left = self.stored.record.head_id if self.stored else None
        goes_on = new_entries[0].parent_id if new_entries else self.record.head_id
        if left is not None and goes_on != left:
            self.events.append(
                Event.new(
                    type=BRANCHED,
                    session_id=self.session.id,
                    timestamp=self.record.updated_at,
                    data={"entry_id": goes_on, "left_entry_id": left},
                )
            )

    def _add_entry(
        self, entry: ConversationEntry, place: Place, parent: int | None
    ) -> None:
        session_id, data = self.session.id, entry_to_json(entry)
        timestamp = time_of(entry, self.record.updated_at)
        key = run_key(entry)
        run_id = None if key is None else run_id_of(session_id, key)
        if run_id is not None:
            told = data["message"]
            self.messages.append(
                SentMessage(session_id, run_id, entry, told, timestamp)
            )
        self.events += events_of(
            entry, data, session_id=session_id, run_id=run_id, timestamp=timestamp
        )
        logged = LoggedEntry(place, parent, data, session_id)
        self.items += logged.items()
        self.expected |= dict.fromkeys(logged.names, 0)

    def _reads(self) -> set[LogPosition]:
        """
        Return the last entries in others' logs of the histories it now leads to.
        """
        found = set(self.stored.reads if self.stored else ())
        for tip in _tips(self.record):
            if (place := self.places.get(tip)) is not None:
                found |= {at for at in place.line if at[0] != self.session.id}
        return found

    async def _become_reader(self) -> None:
        """
        Register with the logs of others that the histories now lead into.

        Who deletes such a log's conversation expects the log to be as it was before the
        readers were read, as this expects it to be as it was when the entries were: one
        of both has to look again. So they are there when this is committed, and stay.
        """
        reads = self._reads()
        before = self.stored.reads if self.stored else frozenset[LogPosition]()
        for log_id in {log_id for log_id, _ in reads - before}:
            positions = sorted(number for log, number in reads if log == log_id)
            names = [entry_name(log_id, position) for position in positions]
            keys = [LOG_KEY, *(key for _, key in names)]
            found = await self.ports.state.get_items(names[0][0], keys)
            if len(found) < len(keys):
                raise ConversationConflict(self.record.conversation_id)
            log = EntryLog.from_item(log_id, found[LOG_KEY])
            if log.is_closed:
                raise ConversationConflict(self.record.conversation_id)
            self.expected[log.name] = log.revision
            log = attrs.evolve(log, home_id=await live_home(self.ports, log.home_id))
            reader = Reader(self.session.id, tuple(positions))
            self.items += [log.item(), reader.item_in(log_id)]

    async def commit(self, *, is_careful: bool) -> None:
        """
        Write it all, if all is as it was.
        """
        last_run_id = self.stored.last_run_id if self.stored else None
        runs = await self._runs(last_run_id, is_careful=is_careful)
        if runs:
            last_run_id = runs[-1].id
        self.expected |= {run.id: run.revision for run in runs}
        await self.ports.store.commit(
            Changes(
                session=self._saved_session(last_run_id),
                runs=tuple(runs),
                events=tuple(self.events),
                items=tuple(self.items),
            ),
            expected_revision=self.session.revision,
            expected_sequence=0 if self.is_first else None,
            expected_revisions=self.expected,
        )

    async def _runs(self, last_run_id: str | None, *, is_careful: bool) -> list[Run]:
        """
        Return the runs of the new messages; one may have been saved in part before.
        """
        if is_careful:
            stored = await self.ports.store.list_runs(self.session.id)
        else:
            ids = {message.run_id for message in self.messages} & {last_run_id}
            stored = [await self.ports.store.get_run(run_id) for run_id in ids]
        return runs_of(self.messages, {run.id: run for run in stored})

    def _saved_session(self, last_run_id: str | None) -> Session:
        record, head_id = self.record, self.record.head_id
        kept = context_of(
            record,
            head=None if head_id is None else self._place_of(head_id),
            length=self.length,
            reads=self._reads(),
            last_run_id=last_run_id,
        )
        user_id = None if record.scope is None else user_of(record.scope)
        return attrs.evolve(
            self.session,
            context={**self.session.context, **kept},
            updated_at=record.updated_at,
            user_id=self.session.user_id if user_id is None else user_id,
        )


def _tips(record: ConversationRecord) -> list[str]:
    """
    Return the last entries of all histories that a record leads to.
    """
    heads = [] if record.head_id is None else [record.head_id]
    return [*heads, *record.branches]
