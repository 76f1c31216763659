"""
The front of a session store: what every call checks before anything is read or written.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.expectations import Expectations, checked_tenant
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.fronts.updating import update_run, update_session
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH, SessionStore
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)

EventSnapshot: TypeAlias = tuple[Event, str, str]
"""
An event that nobody else holds, with its *data* and *metadata* as they are stored.
"""


@attrs.frozen(kw_only=True)
class ResultSnapshot:
    """
    An execution's result that nobody else holds; what is None is not to be touched.
    """

    session_id: str
    session: Session | None
    run: Run | None
    batch: Sequence[EventSnapshot]


class SessionStoreFront(SessionStore):
    """
    A session store in front of a backend, which implements the methods marked abstract.

    A backend is given arguments in their normal form. What is to be written is a copy
    whose JSON was looked at again, so that nothing the caller does to the original
    while the call waits for the database changes what is stored.
    """

    _update_seconds: float = 30.0
    """
    How long an update begins anew when others save meanwhile.
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
        session = _checked_session(session, "session")
        expected.check_session(session, "session")
        return await self._save_session(session, expected)

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
        expected = Expectations(
            expected_revision=expected_revision,
            expected_tenant=expected_tenant,
            operation_id=operation_id,
        )
        return await self._save_run(_checked_run(run, "run"), expected)

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
            (_snapshot(event, "events", 0),),
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
            (_snapshot(event, "events", 0),),
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
        batch = _snapshots(events, "events")
        expected = _checked_expectation(expected_sequence, "expected_sequence")
        session_count = len({event.session_id for event, _, _ in batch})
        if session_count > MAX_SESSIONS_PER_BATCH:
            raise ValidationError(
                f"events: they belong to {session_count} sessions; a batch may have"
                f" {MAX_SESSIONS_PER_BATCH}"
            )
        if expected is not None and session_count > 1:
            raise ValidationError(
                "expected_sequence: needs events of one session, and these belong to"
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
        flushed = _checked_result(result)
        if flushed.session is not None:
            expected.check_session(flushed.session, "result.session")
        elif expected_revision is not None:
            raise ValidationError(
                "expected_revision: it is the session's, and result has no session"
            )
        return await self._flush(flushed, expected)

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
    async def _save_session(
        self, session: Session, expected: Expectations
    ) -> Session: ...

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
    async def _save_run(self, run: Run, expected: Expectations) -> Run: ...

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
    async def _flush(
        self, result: ResultSnapshot, expected: Expectations
    ) -> ExecutionResult: ...

    @abstractmethod
    async def _get_events(
        self, session_id: str, wanted: EventFilter
    ) -> list[Event]: ...

    @abstractmethod
    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int: ...


def _snapshots(events: object, name: str) -> tuple[EventSnapshot, ...]:
    kind = type(events).__name__
    if isinstance(events, str | Mapping) or not isinstance(events, Iterable):
        raise ValidationError(f"{name}: expected a list of events, got a {kind}")
    members = enumerate(cast("Iterable[object]", events))
    return tuple([_snapshot(event, name, index) for index, event in members])


def _snapshot(event: object, name: str, index: int) -> EventSnapshot:
    if not isinstance(event, Event):
        raise _unexpected(event, f"{name}[{index}]", "an Event")
    if event.sequence_number:
        raise ValidationError(
            f"{name}[{index}]: {event.id!r} carries the sequence number"
            f" {event.sequence_number}, which only the store gives"
        )
    try:
        return event.snapshot()
    except ValidationError as error:
        raise ValidationError(f"{name}[{index}].{error}") from None


def _checked_session(session: object, name: str) -> Session:
    if not isinstance(session, Session):
        raise _unexpected(session, name, "a Session")
    if session.deleted_at is not None:
        raise ValidationError(
            f"{name}: {session.id!r} carries deleted_at, which only the store gives"
        )
    return _copy(session, name)


def _checked_run(run: object, name: str) -> Run:
    if not isinstance(run, Run):
        raise _unexpected(run, name, "a Run")
    return _copy(run, name)


def _checked_result(result: object) -> ResultSnapshot:
    if not isinstance(result, ExecutionResult):
        raise _unexpected(result, "result", "an ExecutionResult")
    try:
        session, run = result.session, result.run
        if session is not None:
            session = _checked_session(session, "session")
        if run is not None:
            run = _checked_run(run, "run")
        if result.provider_metadata:
            # It may have been spoilt since it was laid over the run's own.
            run = attrs.evolve(result, session=session, run=run).run
        return ResultSnapshot(
            session_id=result.session_id,
            session=session,
            run=run,
            batch=_snapshots(result.events, "events"),
        )
    except ValidationError as error:
        raise ValidationError(f"result.{error}") from None


def _checked_tenant(value: object) -> str | None:
    # For most appends there is nothing to check.
    return None if value is None else checked_tenant(value)


def _checked_expectation(value: object, name: str) -> int | None:
    return None if value is None else fields.count(value, name)


def _copy(value: V, name: str) -> V:
    try:
        return attrs.evolve(value)
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None


def _unexpected(value: object, name: str, wanted: str) -> ValidationError:
    return ValidationError(f"{name}: expected {wanted}, got a {type(value).__name__}")
