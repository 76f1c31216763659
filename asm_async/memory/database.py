"""
What the in-memory adapters share, as the SQL ones share a database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import attrs

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.fronts.feed_filters import START
from asm_async.memory.feed_log import FeedLog
from asm_async.values.artifact import Artifact
from asm_async.values.checkpoint import Place
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session


@attrs.define(kw_only=True)
class Gate:
    """
    A session's counter, which outlives the session: ``latest == stored + pruned``.
    """

    latest: int = 0
    """
    The last sequence number that was used.
    """

    pruned: int = 0
    """
    How many of the numbers used have no event any more.
    """


@attrs.define(kw_only=True)
class ConsumerRow:
    """
    A durable consumer: the row that a database would have.
    """

    place: Place = START
    fencing_token: int = 0
    holder: str | None = None
    leased_until: datetime | None = None
    updated_at: datetime

    def is_free(self, at: datetime, holder: str) -> bool:
        """
        Return whether *holder* can take the lease.
        """
        is_over = self.leased_until is None or self.leased_until <= at
        return is_over or self.holder == holder

    def take(self, holder: str, seconds: float) -> int:
        """
        Take the lease and return the new fencing token.
        """
        self.fencing_token += 1
        self.holder = holder
        self.renew(seconds)
        return self.fencing_token

    def renew(self, seconds: float) -> None:
        """
        Let the lease last *seconds* from now, unless it was given up.
        """
        self.updated_at = datetime.now(UTC)
        if self.holder is not None:
            self.leased_until = self.updated_at + timedelta(seconds=seconds)

    def release(self) -> None:
        """
        Let others take the lease at once.
        """
        self.updated_at = datetime.now(UTC)
        self.holder = self.leased_until = None


class InMemoryDatabase:
    """
    Sessions, runs and events in dictionaries, for the adapters of one event loop.

    No method suspends, so that all that an adapter does between two awaits is one
    transaction. Adapters put copies in and hand copies out, since the JSON in a value
    can be changed.
    """

    sessions: dict[str, Session]
    """
    Live and soft-deleted sessions, by id.
    """

    runs: dict[str, Run]
    """
    Their runs, by id.
    """

    events: dict[str, dict[str, Event]]
    """
    Their events, by session id and event id, in order of sequence number.
    """

    gates: dict[str, Gate]
    """
    The counters of all sessions that are or ever were, by session id.
    """

    artifacts: dict[str, Artifact]
    """
    The artifacts of all sessions and of none, by id.
    """

    log: FeedLog
    """
    The events of all sessions once more, in the order of the feed.
    """

    consumers: dict[str, ConsumerRow]
    """
    The durable consumers, by name.
    """

    def __init__(self) -> None:
        self.sessions = {}
        self.runs = {}
        self.events = {}
        self.gates = {}
        self.artifacts = {}
        self.log = FeedLog()
        self.consumers = {}
        self._waiters: dict[str | None, set[asyncio.Event]] = {}

    def check_not_deleted(self, session_id: str) -> None:
        """
        Refuse a session that is soft-deleted; one that does not exist passes.

        Raises:
            SessionDeletedError: If it is.
        """
        session = self.sessions.get(session_id)
        if session is not None and session.deleted_at is not None:
            raise SessionDeletedError(session_id)

    def check_live(self, session_id: str) -> None:
        """
        Refuse a session that may not be written to.

        Raises:
            SessionNotFoundError: If it does not exist.

            SessionDeletedError: If it is soft-deleted.
        """
        if session_id not in self.sessions:
            raise SessionNotFoundError(session_id)
        self.check_not_deleted(session_id)

    def latest(self, session_id: str) -> int:
        """
        Return the last sequence number of a session, also of one that is gone.
        """
        gate = self.gates.get(session_id)
        return 0 if gate is None else gate.latest

    def stored_event(self, session_id: str, event_id: str) -> Event | None:
        """
        Return the event of this id in this session, if there is one.
        """
        return self.events.get(session_id, {}).get(event_id)

    def put_session(self, session: Session) -> None:
        """
        Insert or replace a session; a new one gets a gate, or that of its forerunner.
        """
        self.sessions[session.id] = session
        self.events.setdefault(session.id, {})
        self.gates.setdefault(session.id, Gate())
        self._wake(session.id)

    def put_run(self, run: Run) -> None:
        """
        Insert or replace a run.
        """
        self.runs[run.id] = run

    def put_events(self, events: Iterable[Event]) -> None:
        """
        Add numbered events to their sessions and wake those who wait for them.

        An event whose id its session holds already stays as it is.
        """
        for event in events:
            stored = self.events[event.session_id]
            if event.id not in stored:
                stored[event.id] = event
                self.gates[event.session_id].latest = event.sequence_number
                self.log.append(event)
                self._wake(event.session_id)

    def delete_session(self, session_id: str) -> None:
        """
        Remove a session with all it has; an unknown one is no error.
        """
        if self.sessions.pop(session_id, None) is None:
            return
        for event in self.events.pop(session_id).values():
            self.log.forget(event)
        for run in [run for run in self.runs.values() if run.session_id == session_id]:
            del self.runs[run.id]
        for artifact in list(self.artifacts.values()):
            if artifact.session_id == session_id:
                del self.artifacts[artifact.id]
        gate = self.gates[session_id]
        gate.pruned = gate.latest
        self._wake(session_id)

    def soft_delete(self, session_id: str, at: datetime) -> None:
        """
        Mark a session as deleted; one that is already keeps its time.

        Args:
            session_id: Which session.

            at: The time of the deletion, in any zone.

        Raises:
            SessionNotFoundError: If it does not exist.
        """
        session = self._existing(session_id)
        if session.deleted_at is None:
            self.sessions[session_id] = attrs.evolve(session, deleted_at=at)
            self._wake(session_id)

    def restore(self, session_id: str) -> None:
        """
        Undo :meth:`soft_delete`.

        Raises:
            SessionNotFoundError: If it does not exist.
        """
        session = self._existing(session_id)
        self.sessions[session_id] = attrs.evolve(session, deleted_at=None)

    def prune(self, session_id: str, sequence_numbers: Iterable[int]) -> int:
        """
        Remove events of a session that goes on living.

        Returns:
            How many there were of these numbers.
        """
        unwanted = set(sequence_numbers)
        stored = self.events.get(session_id, {})
        pruned = [
            event.id for event in stored.values() if event.sequence_number in unwanted
        ]
        for event_id in pruned:
            self.log.forget(stored.pop(event_id))
        if pruned:
            self.gates[session_id].pruned += len(pruned)
        return len(pruned)

    @contextmanager
    def waiter(self, session_id: str | None) -> Generator[asyncio.Event]:
        """
        Return a flag that is set when a session gets events or is changed itself.

        Args:
            session_id: Which session; None for all of them.
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
        for waiters in self._waiters.values():
            for woken in waiters:
                woken.set()

    def _wake(self, session_id: str) -> None:
        for key in (session_id, None):
            for woken in self._waiters.get(key, ()):
                woken.set()

    def _existing(self, session_id: str) -> Session:
        if session_id not in self.sessions:
            raise SessionNotFoundError(session_id)
        return self.sessions[session_id]
