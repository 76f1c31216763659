"""
What the in-memory adapters share, as the SQL ones share a database.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import datetime

import attrs

from asm_async.errors import (
    SessionDeletedError,
    SessionNotFoundError,
    StoreClosedError,
    ValidationError,
)
from asm_async.fronts.log_records import LogThrottle
from asm_async.fronts.retention import utc_now
from asm_async.memory.feed_log import FeedLog
from asm_async.memory.item_table import ItemTable
from asm_async.values import fields, ids
from asm_async.values.artifact import Artifact
from asm_async.values.checkpoint import Place, Witness
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session


@attrs.define(kw_only=True)
class Gate:
    """
    A session's counter, which outlives the session: ``latest == stored + pruned``.
    """

    latest: int = 0
    pruned: int = 0
    tenant_id: str | None = None
    session_revision: int = 0
    """
    The last revision of the session that was removed last.
    """


@attrs.frozen
class RunTombstone:
    """
    What is remembered of a run that was removed.
    """

    tenant_id: str | None
    revision: int


@attrs.define(kw_only=True)
class ConsumerRow:
    """
    A durable consumer: the row that a database would have.
    """

    place: Place
    witness: Witness | None = None
    fencing_token: int = 0
    holder: str | None = None
    leased_until: datetime | None = None
    updated_at: datetime


class InMemoryDatabase:
    """
    Sessions, runs and events in dictionaries, for the adapters of one event loop.

    No method suspends, so that all that an adapter does between two awaits is one
    transaction. Adapters put copies in and hand copies out, since the JSON in a value
    can be changed.
    """

    def __init__(self) -> None:
        # Soft-deleted ones among them.
        self.sessions: dict[str, Session] = {}
        self.runs: dict[str, Run] = {}
        self.run_tombstones: dict[str, RunTombstone] = {}
        # Which operation saved a session or a run last, by class and id.
        self.operation_ids: dict[tuple[type[Session | Run], str], str | None] = {}
        # Those that are being erased: neither written to nor restored any more.
        self.closed: set[str] = set()
        # By session id and event id, in order of sequence number.
        self.events: dict[str, dict[str, Event]] = {}
        # Of all sessions that are or ever were.
        self.gates: dict[str, Gate] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.items: ItemTable = ItemTable()
        # The events of all sessions once more, in the order of the feed.
        self.log: FeedLog = FeedLog()
        self.consumers: dict[str, ConsumerRow] = {}
        self._waiters: dict[str | None, set[asyncio.Event]] = {}
        self.log_throttle: LogThrottle = LogThrottle()

    def existing(self, session_id: str, expected_tenant: str | None = None) -> Session:
        """
        Return the session of this id.

        Raises:
            SessionNotFoundError: If there is none, or it is not of the tenant that is
                expected.
        """
        session = self.sessions.get(session_id)
        if session is None or expected_tenant not in {None, session.tenant_id}:
            raise SessionNotFoundError(session_id)
        return session

    def check_not_deleted(self, session_id: str) -> None:
        """
        Refuse a session that is soft-deleted; one that does not exist passes.
        """
        session = self.sessions.get(session_id)
        if session is not None and session.deleted_at is not None:
            raise SessionDeletedError(session_id)

    def check_live(self, session_id: str) -> None:
        """
        Refuse a session that does not exist, or is soft-deleted.
        """
        self.existing(session_id)
        self.check_not_deleted(session_id)

    def latest(self, session_id: str) -> int:
        """
        Return the last sequence number of a session, also of one that is gone.
        """
        return self.gates.get(session_id, Gate()).latest

    def stored_event(self, session_id: str, event_id: str) -> Event | None:
        """
        Return the event of this id in this session, if there is one.
        """
        return self.events.get(session_id, {}).get(event_id)

    def runs_of(self, session_id: str) -> list[Run]:
        """
        Return the runs of a session in the order they were started, then by id.
        """
        runs = [run for run in self.runs.values() if run.session_id == session_id]
        return sorted(runs, key=lambda run: (run.started_at, run.id))

    def put_session(self, session: Session, operation_id: str | None = None) -> None:
        """
        Insert or replace a session; a new one gets a gate, or that of its forerunner.
        """
        self.sessions[session.id] = session
        self.operation_ids[Session, session.id] = operation_id
        self.events.setdefault(session.id, {})
        self.gates.setdefault(session.id, Gate()).tenant_id = session.tenant_id
        self._wake(session.id, None)

    def save_session(self, session: Session, operation_id: str | None) -> None:
        """
        Insert or replace a session, as its next revision.
        """
        gate = self.gates.setdefault(session.id, Gate(tenant_id=session.tenant_id))
        stored = self.sessions.get(session.id)
        if self.is_tombstone_of_another(session):
            # Nobody shall be able to tell how much there was.
            gap = ids.random_gap()
            gate.latest += gap
            gate.pruned += gap
            gate.session_revision += ids.random_gap()
        last = gate.session_revision if stored is None else stored.revision
        self.put_session(session.with_given(last + 1, utc_now()), operation_id)

    def is_tombstone_of_another(self, session: Session) -> bool:
        """
        Return whether a session of this id was removed that was not this tenant's.
        """
        gate = self.gates.get(session.id)
        if gate is None or session.id in self.sessions:
            return False
        return gate.tenant_id != session.tenant_id

    def put_run(self, run: Run, operation_id: str | None = None) -> None:
        """
        Insert or replace a run.
        """
        self.runs[run.id] = run
        self.operation_ids[Run, run.id] = operation_id

    def save_run(self, run: Run, operation_id: str | None) -> None:
        """
        Insert or replace a run, as its next revision.
        """
        stored, tombstone = self.runs.get(run.id), self.run_tombstones.get(run.id)
        last = 0 if stored is None else stored.revision
        if stored is None and tombstone is not None:
            last = tombstone.revision
            if tombstone.tenant_id != self.sessions[run.session_id].tenant_id:
                last += ids.random_gap()
        self.put_run(run.with_given(last + 1), operation_id)
        self.note_activity(run.session_id, utc_now())

    def append(self, events: Iterable[Event]) -> int:
        """
        Do :meth:`put_events`, which is an activity of their sessions.

        Returns:
            How many events were new.
        """
        now, written = utc_now(), self.put_events(events)
        for session_id in written:
            self.note_activity(session_id, now)
        return written.total()

    def note_activity(self, session_id: str, now: datetime) -> None:
        """
        Let a session have been last written to *now*.
        """
        session = self.sessions[session_id]
        self.sessions[session_id] = session.with_given(session.revision, now)

    def put_events(self, events: Iterable[Event]) -> Counter[str]:
        """
        Add numbered events to their sessions and wake those who wait for them.

        An event whose id its session holds already stays as it is.

        Returns:
            How many each session was given.
        """
        written = Counter[str]()
        for event in events:
            stored = self.events[event.session_id]
            if event.id not in stored:
                stored[event.id] = event
                self.gates[event.session_id].latest = event.sequence_number
                self.log.append(event)
                self._wake(event.session_id, None)
                written[event.session_id] += 1
        return written

    def delete_session(self, session_id: str) -> None:
        """
        Remove a session with all it has; an unknown one is no error.
        """
        session = self.sessions.pop(session_id, None)
        if session is None:
            return
        gate = self.gates[session_id]
        for event in self.events.pop(session_id).values():
            self.log.forget(event)
        for run in self.runs_of(session_id):
            del self.runs[run.id], self.operation_ids[Run, run.id]
            self.run_tombstones[run.id] = RunTombstone(gate.tenant_id, run.revision)
        self.remove_artifacts(lambda artifact: artifact.session_id == session_id)
        self.items.remove_session(session_id)
        del self.operation_ids[Session, session_id]
        self.closed.discard(session_id)
        gate.pruned, gate.session_revision = gate.latest, session.revision
        self._wake(session_id, None)

    def soft_delete(self, session_id: str, at: datetime) -> None:
        """
        Mark a session as deleted; one that is already keeps its time.
        """
        session = self.existing(session_id)
        if session.deleted_at is None:
            self.sessions[session_id] = attrs.evolve(session, deleted_at=at)
            self._wake(session_id, None)

    def restore(self, session_id: str) -> None:
        """
        Undo :meth:`soft_delete`; of a session that is being erased there is none.
        """
        session = self.existing(session_id)
        if session_id in self.closed:
            raise SessionNotFoundError(session_id)
        self.sessions[session_id] = attrs.evolve(session, deleted_at=None)

    def prune(self, session_id: str, sequence_numbers: Iterable[int]) -> int:
        """
        Remove events of a session that goes on living, and return how many there were.
        """
        unwanted = set(sequence_numbers)
        stored = self.events.get(session_id, {})
        pruned = [id_ for id_ in stored if stored[id_].sequence_number in unwanted]
        for event_id in pruned:
            self.log.forget(stored.pop(event_id))
        if pruned:
            self.gates[session_id].pruned += len(pruned)
        return len(pruned)

    def add_artifacts(self, artifacts: Iterable[Artifact]) -> None:
        """
        Register artifacts whose ids and keys are free.
        """
        self.artifacts.update({artifact.id: artifact for artifact in artifacts})

    def remove_artifacts(self, is_unwanted: Callable[[Artifact], bool]) -> int:
        """
        Remove the artifacts that are unwanted, and return how many there were.
        """
        unwanted = [each.id for each in self.artifacts.values() if is_unwanted(each)]
        for artifact_id in unwanted:
            del self.artifacts[artifact_id]
        return len(unwanted)

    @contextmanager
    def waiter(self, session_id: str | None) -> Generator[asyncio.Event]:
        """
        Return a flag that is set when a session, or any, gets events or is changed.
        """
        woken = asyncio.Event()
        self._waiters.setdefault(session_id, set()).add(woken)
        try:
            yield woken
        finally:
            self._waiters[session_id].remove(woken)
            if not self._waiters[session_id]:
                del self._waiters[session_id]

    def wake_all(self) -> None:
        """
        Set the flag of every waiter, so that each looks again whether it should go on.
        """
        self._wake(*self._waiters)

    def _wake(self, *session_ids: str | None) -> None:
        for key in session_ids:
            for woken in self._waiters.get(key, ()):
                # In a loop that was closed nobody waits any more.
                with suppress(RuntimeError):
                    woken.set()


class DatabaseAccess:
    """
    An adapter's way to the database: within one event loop, and until it is closed.

    Args:
        database: What the adapter works on.

        name: What errors call the adapter.
    """

    def __init__(self, database: InMemoryDatabase, name: str) -> None:
        self.unchecked: InMemoryDatabase = _checked(database)
        """
        The database, though the adapter be closed.
        """
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @property
    def database(self) -> InMemoryDatabase:
        """
        The database, unless the adapter was closed or belongs to another event loop.
        """
        if self._is_closed:
            raise StoreClosedError(f"the {self._name} was closed: make another one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise StoreClosedError(
                f"the {self._name} belongs to another event loop: make another one here"
            )
        return self.unchecked

    def close(self) -> InMemoryDatabase | None:
        """
        Refuse what comes after, and wake those who wait; None if that was done before.
        """
        if self._is_closed:
            return None
        database = self.database
        self._is_closed = True
        database.wake_all()
        return database


def _checked(database: object) -> InMemoryDatabase:
    if isinstance(database, InMemoryDatabase):
        return database
    # A caller that passes something else is to hear of it here, not at each call.
    error = fields.unexpected("database", "an InMemoryDatabase", database)
    raise ValidationError(
        f"{error}; pass the one that the store was made with:"
        " InMemorySessionStore(database)"
    )
