"""
What a group of operations sees and changes, between one reading and one writing.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.sql.core.tables import GateState
from asm_async.sql.writes.operations import EventTexts
from asm_async.values.event import Event
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
    is_stored: bool = False


@attrs.define(kw_only=True)
class UnitOfWork:
    """
    The stored state that a group's operations concern, and how they change it.

    It is changed only through the methods here, and only when nothing can refuse the
    operation any more; so a refused operation leaves no trace.
    """

    gates: dict[str, Gate]
    sessions: dict[str, Session]
    runs: dict[str, Run]
    events: dict[tuple[str, str], Event]
    """
    By session id and event id.
    """

    stored_tags: dict[str, tuple[str, ...]] = attrs.field(init=False)
    stored_runs: frozenset[str] = attrs.field(init=False)
    changed_gates: set[str] = attrs.field(init=False, factory=set[str])
    changed_sessions: set[str] = attrs.field(init=False, factory=set[str])
    changed_runs: set[str] = attrs.field(init=False, factory=set[str])
    new_events: list[tuple[Event, EventTexts]] = attrs.field(
        init=False, factory=list[tuple[Event, EventTexts]]
    )
    """
    What is to be inserted, with its JSON as it is stored.
    """

    def __attrs_post_init__(self) -> None:
        self.stored_tags = {id_: session.tags for id_, session in self.sessions.items()}
        self.stored_runs = frozenset(self.runs)

    def gate(self, session_id: str) -> Gate:
        """
        Return the session's gate; one that is not stored yet is closed and at 0.
        """
        return self.gates.get(session_id) or Gate(session_id=session_id)

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
        if self.gate(session_id).state is GateState.DELETED:
            raise SessionNotFoundError(session_id)

    def append(self, event: Event, texts: EventTexts) -> Event:
        """
        Append *event* under its session's next number.
        """
        gate = self.gates[event.session_id]
        stored = event.with_given(gate.last_sequence + 1)
        gate.last_sequence = stored.sequence_number
        self.events[event.session_id, event.id] = stored
        self.changed_gates.add(event.session_id)
        self.new_events.append((stored, texts))
        return stored

    def put_session(self, session: Session) -> Session:
        """
        Store *session* as its next revision, and open its gate if it was closed.
        """
        stored = _next_revision(session, self.sessions.get(session.id))
        self.sessions[session.id] = stored
        self.changed_sessions.add(session.id)
        gate = self.gates.setdefault(session.id, self.gate(session.id))
        if gate.state is GateState.DELETED:
            gate.state = GateState.LIVE
            self.changed_gates.add(session.id)
        return stored

    def put_run(self, run: Run) -> Run:
        """
        Store *run* as its next revision.
        """
        stored = _next_revision(run, self.runs.get(run.id))
        self.runs[run.id] = stored
        self.changed_runs.add(run.id)
        return stored


def _next_revision(value: V, stored: V | None) -> V:
    revision = 0 if stored is None else stored.revision
    return value.with_given(revision + 1)
