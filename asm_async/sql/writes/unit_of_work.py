"""
What a group of operations sees and changes, between one reading and one writing.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import attrs

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.fronts.retention import utc_now
from asm_async.sql.core.activity import is_current, latest_coarse
from asm_async.sql.core.tables import GateState
from asm_async.sql.writes.append_plan import EventTexts
from asm_async.sql.writes.artifact_work import ArtifactWork
from asm_async.sql.writes.item_work import ItemWork
from asm_async.values import ids
from asm_async.values.event import Event
from asm_async.values.fields import next_number
from asm_async.values.retraction import Ranges
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)


@attrs.define(kw_only=True)
class Gate:
    """
    A session's counter row; its ``last_sequence`` is always stored plus pruned.
    """

    session_id: str
    last_sequence: int = 0
    pruned_count: int = 0
    state: GateState = GateState.DELETED
    tenant_id: str | None = None
    session_revision: int = 0
    """
    The last revision of the session that was removed last.
    """

    updated_at: datetime | None = None
    active_until: datetime | None = None
    is_stored: bool = False

    def is_tombstone_of_another(self, tenant_id: str | None) -> bool:
        """
        Return whether a session was removed here that was not this tenant's.
        """
        is_tombstone = self.is_stored and self.state is GateState.DELETED
        return is_tombstone and self.tenant_id != tenant_id

    def note_activity(self, now: datetime) -> None:
        """
        Note that the session, one of its runs or an event is written.
        """
        self.updated_at = now
        if not is_current(self.active_until, now):
            self.active_until = latest_coarse(now)

    def leave_gap(self) -> None:
        """
        Go on from a random place, so that nobody can tell how much there was.
        """
        gap = ids.random_gap()
        self.last_sequence += gap
        self.pruned_count += gap
        self.session_revision += ids.random_gap()


@attrs.frozen
class RunTombstone:
    """
    What is remembered of a run that was removed.
    """

    tenant_id: str | None
    revision: int


class UnitOfWork:
    """
    The stored state that a group's operations concern, and how they change it.

    It is changed only through the methods here, and only when nothing can refuse the
    operation any more; so a refused operation leaves no trace.

    Args:
        gates: Those of the sessions, by their ids.

        now: When all this is written, by the database's clock if it has one; the time
            of this process if None.

        events: Stored ones, by session id and event id.

        hidden: What the latest retraction of a session hides, for those that get
            another one.
    """

    def __init__(
        self,
        *,
        gates: dict[str, Gate],
        now: datetime | None = None,
        events: dict[tuple[str, str], Event] | None = None,
        hidden: dict[str, Ranges] | None = None,
    ) -> None:
        self.gates = gates
        self.now: datetime = now or utc_now()
        self.events: dict[tuple[str, str], Event] = {} if events is None else events
        self.hidden: dict[str, Ranges] = {} if hidden is None else hidden
        self.sessions: dict[str, Session] = {}
        self.runs: dict[str, Run] = {}
        self.run_tombstones: dict[str, RunTombstone] = {}
        self.operation_ids: dict[tuple[type[Session | Run], str], str | None] = {}
        """
        Which operation saved a session or a run last, by class and id.
        """
        self.stored_tags: dict[str, tuple[str, ...]] = {}
        self.stored_runs: set[str] = set()
        self.changed_gates: set[str] = set()
        self.changed_sessions: set[str] = set()
        self.changed_runs: set[str] = set()
        self.new_events: list[tuple[Event, EventTexts]] = []
        """
        What is to be inserted, with its JSON as it is stored.
        """
        self.items: ItemWork = ItemWork(self.check_live)
        self.artifacts: ArtifactWork = ArtifactWork()

    def add_stored(self, value: Session | Run, operation_id: str | None) -> None:
        """
        Note what is stored, and by which operation it was saved last.
        """
        self.operation_ids[type(value), value.id] = operation_id
        if isinstance(value, Session):
            self.sessions[value.id] = value
            self.stored_tags[value.id] = value.tags
        else:
            self.runs[value.id] = value
            self.stored_runs.add(value.id)

    def gate(self, session_id: str) -> Gate:
        """
        Return the session's gate; one that is not stored yet is closed and at 0.
        """
        return self.gates.get(session_id) or Gate(session_id=session_id)

    def is_gone(self, session_id: str) -> bool:
        """
        Return whether there is no session of this id, nor a soft-deleted one.
        """
        return self.gate(session_id).state is GateState.DELETED

    def check_tenant(
        self, session_id: str, expected_tenant: str | None, *, may_be_new: bool = False
    ) -> None:
        """
        Refuse a session that is not the expected tenant's as if it were not there.

        Raises:
            SessionNotFoundError: If it is another's, or is not there and *may_be_new*
                is not set.
        """
        if expected_tenant is None:
            return
        if self.is_gone(session_id):
            if not may_be_new:
                raise SessionNotFoundError(session_id)
        elif self.gate(session_id).tenant_id != expected_tenant:
            raise SessionNotFoundError(session_id)

    def check_not_deleted(self, session_id: str) -> None:
        """
        Refuse to write to a soft-deleted session.

        Raises:
            SessionDeletedError: If the session is soft-deleted.
        """
        if self.gate(session_id).state.is_deleted:
            raise SessionDeletedError(session_id)

    def check_live(self, session_id: str) -> None:
        """
        Refuse to write to a session that is not there.

        Raises:
            SessionNotFoundError: If the session does not exist.

            SessionDeletedError: If it is soft-deleted.
        """
        self.check_not_deleted(session_id)
        if self.is_gone(session_id):
            raise SessionNotFoundError(session_id)

    def append(self, event: Event, texts: EventTexts) -> Event:
        """
        Append *event* under its session's next number.
        """
        gate = self.gates[event.session_id]
        stored = event.with_given(next_number(gate.last_sequence, gate.session_id))
        gate.last_sequence = stored.sequence_number
        self.events[event.session_id, event.id] = stored
        self._note_activity(gate)
        self.new_events.append((stored, texts))
        return stored

    def put_session(self, session: Session, operation_id: str | None) -> Session:
        """
        Store *session* as its next revision, and open its gate if it was closed.
        """
        gate = self.gates.setdefault(session.id, self.gate(session.id))
        if gate.is_tombstone_of_another(session.tenant_id):
            gate.leave_gap()
        gate.tenant_id = session.tenant_id
        if gate.state is GateState.DELETED:
            gate.state = GateState.LIVE
        self._note_activity(gate)
        stored = _next_revision(
            session, self.sessions.get(session.id), gate.session_revision, self.now
        )
        self.sessions[session.id] = stored
        self.operation_ids[Session, session.id] = operation_id
        self.changed_sessions.add(session.id)
        return stored

    def put_run(self, run: Run, operation_id: str | None) -> Run:
        """
        Store *run* as its next revision.
        """
        tombstone, last = self.run_tombstones.get(run.id), 0
        if tombstone is not None:
            last = tombstone.revision
            if tombstone.tenant_id != self.gate(run.session_id).tenant_id:
                last += ids.random_gap()
        stored = _next_revision(run, self.runs.get(run.id), last)
        self._note_activity(self.gates[run.session_id])
        self.runs[run.id] = stored
        self.operation_ids[Run, run.id] = operation_id
        self.changed_runs.add(run.id)
        return stored

    def _note_activity(self, gate: Gate) -> None:
        gate.note_activity(self.now)
        self.changed_gates.add(gate.session_id)


def _next_revision(
    value: V, stored: V | None, last_removed: int, *activity: datetime
) -> V:
    """
    Return *value* with a revision that no other content of its id ever had.
    """
    revision = 0 if stored is None else stored.revision
    return value.with_given(max(revision, last_removed) + 1, *activity)
