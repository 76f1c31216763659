"""
The front of a session store: what every call checks before anything is read or written.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from asm_async.errors import ValidationError
from asm_async.fronts.copying import SessionCopy, checked_copy
from asm_async.fronts.expectations import Expectations, checked_tenant
from asm_async.fronts.observing import Observation, observed
from asm_async.fronts.retracting import Retraction, checked_retraction
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.fronts.snapshots import (
    ChangesSnapshot,
    checked_changes,
    checked_result,
    checked_run,
    checked_session,
)
from asm_async.fronts.updating import update_run, update_session
from asm_async.ports.session_committer import ExpectedRevisions
from asm_async.ports.session_rewriter import NO_SCOPES
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH, SessionStore
from asm_async.values import fields
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import (
    Event,
    EventSnapshot,
    event_snapshot,
    event_snapshots,
)
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.ids import new_event_id
from asm_async.values.run import Run
from asm_async.values.session import Session


@observed
class SessionStoreFront(SessionStore):
    """
    A session store in front of a backend, which implements the methods marked abstract.

    A backend is given arguments in their normal form. What is to be written is a copy
    whose JSON was looked at again, so that nothing the caller does to the original
    while the call waits for the database changes what is stored.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    _update_seconds: float = 30.0
    """
    How long an update begins again when others save meanwhile.
    """

    async def save_session(
        self,
        session: Session,
        *,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Session:
        expected = Expectations(
            expected_revision=expected_revision,
            expected_tenant=expected_tenant,
            operation_id=operation_id,
        )
        session = checked_session(session, "session")
        expected.check_session(session, "session")
        changes = ChangesSnapshot(session_id=session.id, session=session)
        committed = await self._commit(changes, expected)
        return cast("Session", committed.session)

    async def get_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        session_id = fields.text(session_id, "session_id")
        return await self._get_session(session_id, checked_tenant(expected_tenant))

    @takes_arguments_of(SessionStore.list_sessions)
    async def list_sessions(self, **filters: Any) -> list[Session]:
        return await self._list_sessions(SessionFilter(**filters))

    async def delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> None:
        session_id = fields.text(session_id, "session_id")
        await self._delete_session(session_id, checked_tenant(expected_tenant))

    async def save_run(
        self,
        run: Run,
        *,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Run:
        revision = _checked_expectation(expected_revision, "expected_revision")
        run = checked_run(run, "run")
        expected = Expectations(
            expected_revisions={} if revision is None else {run.id: revision},
            expected_tenant=expected_tenant,
            operation_id=operation_id,
        )
        changes = ChangesSnapshot(session_id=run.session_id, runs=(run,))
        (stored,) = (await self._commit(changes, expected)).runs
        return stored

    async def get_run(self, run_id: str, *, expected_tenant: str | None = None) -> Run:
        run_id = fields.text(run_id, "run_id")
        return await self._get_run(run_id, checked_tenant(expected_tenant))

    @takes_arguments_of(SessionStore.list_runs)
    async def list_runs(self, session_id: str, **filters: Any) -> list[Run]:
        session_id = fields.text(session_id, "session_id")
        return await self._list_runs(session_id, RunFilter(**filters))

    async def get_active_run(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Run | None:
        session_id = fields.text(session_id, "session_id")
        return await self._get_active_run(session_id, checked_tenant(expected_tenant))

    async def update_session(
        self,
        session_id: str,
        change: Callable[[Session], Session],
        *,
        expected_tenant: str | None = None,
    ) -> Session:
        return await update_session(
            self, session_id, change, expected_tenant, self._update_seconds
        )

    async def update_run(
        self,
        run_id: str,
        change: Callable[[Run], Run],
        *,
        expected_tenant: str | None = None,
    ) -> Run:
        return await update_run(
            self, run_id, change, expected_tenant, self._update_seconds
        )

    async def append_event(
        self,
        event: Event,
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> None:
        await self._append(
            (event_snapshot(event, "events", 0),),
            _checked_expectation(expected_sequence, "expected_sequence"),
            _checked_tenant(expected_tenant),
        )

    async def append_event_with_sequence(
        self,
        event: Event,
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> Event:
        (stored,) = await self._append(
            (event_snapshot(event, "events", 0),),
            _checked_expectation(expected_sequence, "expected_sequence"),
            _checked_tenant(expected_tenant),
        )
        return stored

    async def append_events(
        self,
        events: Sequence[Event],
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> list[Event]:
        batch = event_snapshots(events, "events")
        expected = _checked_expectation(expected_sequence, "expected_sequence")
        session_count = len({event.session_id for event, _, _ in batch})
        if session_count > MAX_SESSIONS_PER_BATCH:
            raise ValidationError(
                f"events: expected events of at most {MAX_SESSIONS_PER_BATCH} sessions,"
                f" got {session_count}"
            )
        if expected is not None and session_count > 1:
            raise ValidationError(
                "expected_sequence: needs events of one session, got events of"
                f" {session_count}"
            )
        return await self._append(batch, expected, _checked_tenant(expected_tenant))

    async def flush(
        self,
        result: ExecutionResult,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> ExecutionResult:
        expected = Expectations(
            expected_sequence=expected_sequence,
            expected_revision=expected_revision,
            expected_tenant=expected_tenant,
            operation_id=operation_id,
        )
        changes = checked_result(result)
        _check_session(changes.session, expected, "result")
        committed = await self._commit(changes, expected)
        return ExecutionResult(
            session=committed.session,
            run=next(iter(committed.runs), None),
            events=committed.events,
        )

    async def commit(
        self,
        changes: Changes,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        expected_revisions: ExpectedRevisions | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Committed:
        # Type checkers tell mappings with one kind of key from those with two.
        revisions: Any = {} if expected_revisions is None else expected_revisions
        expected = Expectations(
            expected_sequence=expected_sequence,
            expected_revision=expected_revision,
            expected_revisions=revisions,
            expected_tenant=expected_tenant,
            operation_id=operation_id,
        )
        checked = checked_changes(changes, expected)
        _check_session(checked.session, expected, "changes")
        if checked.session_id is None:
            has_sessions = checked.save is not None and bool(checked.save.session_ids)
            _check_nothing_of_session(expected, has_sessions=has_sessions)
        if checked.create_session is not None:
            expected.check_session(checked.create_session, "changes.create_session")
        return await self._commit(checked, expected)

    async def retract_events(
        self,
        session_id: str,
        *,
        first: int,
        last: int,
        replacement: Sequence[Event] = (),
        expected_sequence: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> list[Event]:
        expected = Expectations(
            expected_sequence=expected_sequence,
            expected_tenant=expected_tenant,
            operation_id=new_event_id() if operation_id is None else operation_id,
        )
        batch = event_snapshots(replacement, "replacement")
        retraction = checked_retraction(session_id, first, last, batch, expected)
        return await self._retract(retraction)

    async def copy_session(
        self,
        source_id: str,
        target: Session,
        *,
        through: int | None = None,
        scopes: Mapping[str, str] = NO_SCOPES,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Session:
        expected = Expectations(
            expected_tenant=expected_tenant, operation_id=operation_id
        )
        copy = checked_copy(source_id, target, through, scopes, expected)
        return await self._copy_session(copy)

    @takes_arguments_of(SessionStore.get_events)
    async def get_events(self, session_id: str, **filters: Any) -> list[Event]:
        session_id = fields.text(session_id, "session_id")
        return await self._get_events(session_id, EventFilter(**filters))

    async def get_latest_sequence(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> int:
        session_id = fields.text(session_id, "session_id")
        tenant = checked_tenant(expected_tenant)
        return await self._get_latest_sequence(session_id, tenant)

    @abstractmethod
    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session: ...

    @abstractmethod
    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]: ...

    @abstractmethod
    async def _delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> None: ...

    @abstractmethod
    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run: ...

    @abstractmethod
    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]: ...

    @abstractmethod
    async def _get_active_run(
        self, session_id: str, expected_tenant: str | None
    ) -> Run | None: ...

    @abstractmethod
    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Append events, none of which has a number; there may be none at all.
        """

    @abstractmethod
    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed: ...

    @abstractmethod
    async def _retract(self, retraction: Retraction) -> list[Event]: ...

    @abstractmethod
    async def _copy_session(self, copy: SessionCopy) -> Session: ...

    @abstractmethod
    async def _get_events(
        self, session_id: str, wanted: EventFilter
    ) -> list[Event]: ...

    @abstractmethod
    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int: ...


def _check_session(session: Session | None, expected: Expectations, name: str) -> None:
    if session is not None:
        expected.check_session(session, f"{name}.session")
    elif expected.expected_revision is not None:
        raise ValidationError(
            f"expected_revision: it is for a session, and {name} has none"
        )


def _check_nothing_of_session(expected: Expectations, *, has_sessions: bool) -> None:
    for name, value in (
        ("expected_sequence", expected.expected_sequence),
        ("expected_tenant", None if has_sessions else expected.expected_tenant),
        ("expected_revisions", expected.of_runs or None),
    ):
        if value is not None:
            raise ValidationError(
                f"{name}: it is for a session, and changes has only state items"
            )


def _checked_tenant(value: object) -> str | None:
    # For most appends there is nothing to check.
    return None if value is None else checked_tenant(value)


def _checked_expectation(value: object, name: str) -> int | None:
    return None if value is None else fields.count(value, name)
