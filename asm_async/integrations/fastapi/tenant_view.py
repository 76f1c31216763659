"""
The ports as one tenant sees them.

The one place that knows the tenant rule: routes see nothing else of the ports. With a
tenant, only that tenant's sessions exist, and what belongs to them; without one, all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar

import attrs

from asm_async.errors import (
    ConflictError,
    NotFoundError,
    RevisionConflictError,
    RunNotFoundError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.integrations.fastapi.ports import Ports
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.transfer_reports import ExportReport

P = ParamSpec("P")
T = TypeVar("T")

Find: TypeAlias = Callable[..., Awaitable[T]]
Follow: TypeAlias = Callable[..., AsyncGenerator[tuple[Event, str]]]

_MAX_TRIES = 8


class TenantView:
    """
    What of the ports exists for a tenant.

    What belongs to another tenant is not found, as if it had never been.
    """

    def __init__(self, ports: Ports, tenant_id: str | None) -> None:
        self._ports = ports
        self._tenant_id = tenant_id
        query, feed, maintenance = ports.query, ports.feed, ports.maintenance
        # What takes one session is asked for the tenant's.
        own = self._owned
        self.soft_delete_session: Find[Session] = own(maintenance.soft_delete_session)
        self.restore_session: Find[Session] = own(maintenance.restore_session)
        self.get_session_stats: Find[SessionStats] = own(query.get_session_stats)
        # What takes a tenant itself is asked for no other one than this.
        narrow = self._narrowed
        self.search_sessions: Find[Page[Session]] = narrow(query.search_sessions)
        self.search_runs: Find[Page[Run]] = narrow(query.search_runs)
        self.search_events: Find[Page[Event]] = narrow(query.search_events)
        self.count_events: Find[int] = narrow(query.count_events)
        self.get_usage_summary: Find[UsageSummary] = narrow(query.get_usage_summary)
        self.get_cost_summary: Find[CostSummary] = narrow(query.get_cost_summary)
        self.export_sessions: Find[ExportReport] = narrow(query.export_sessions)
        self.follow_all: Follow = narrow(feed.follow_all)
        # A place in the feed says nothing of what lies before it.
        self.get_latest_checkpoint: Find[str] = feed.get_latest_checkpoint

    async def get_session(self, session_id: str) -> Session:
        """
        Return the session, soft-deleted or not.
        """
        session = await self._ports.store.get_session(session_id)
        if self._tenant_id not in (None, session.tenant_id):
            raise SessionNotFoundError(session_id)
        return session

    async def put_session(
        self, session: Session, *, expected_revision: int | None = None
    ) -> tuple[Session, bool]:
        """
        Save a session as the tenant's, and return whether it is new.
        """
        return await _put(self.save_session, session, expected_revision)

    async def put_run(
        self, run: Run, *, expected_revision: int | None = None
    ) -> tuple[Run, bool]:
        """
        Save a run of a session of the tenant's, and return whether it is new.
        """
        return await _put(self.save_run, run, expected_revision)

    async def save_session(
        self, session: Session, *, expected_revision: int | None = None
    ) -> Session:
        """
        Save a session as the tenant's.

        A tenant's save always expects the revision at which the session was seen to be
        the tenant's: should it become another's meanwhile, it is not overwritten.
        """
        store, session = self._ports.store, self._stamped(session)
        if self._tenant_id is None:
            return await store.save_session(
                session, expected_revision=expected_revision
            )
        for tries_left in reversed(range(_MAX_TRIES)):
            seen = await self._revision_of(session.id)
            if expected_revision is not None and expected_revision > seen:
                raise RevisionConflictError(
                    f"session {session.id!r}", expected_revision, seen
                )
            expected = seen if expected_revision is None else expected_revision
            try:
                return await store.save_session(session, expected_revision=expected)
            except RevisionConflictError:
                if expected_revision is not None or not tries_left:
                    raise
        raise AssertionError

    async def delete_session(self, session_id: str) -> None:
        """
        Remove the session permanently.
        """
        await self.get_session(session_id)
        await self._ports.store.delete_session(session_id)

    async def get_run(self, session_id: str, run_id: str) -> Run:
        """
        Return a run of the session.
        """
        await self._check(session_id)
        run = await self._ports.store.get_run(run_id)
        if run.session_id != session_id:
            raise RunNotFoundError(run_id)
        return run

    async def save_run(self, run: Run, *, expected_revision: int | None = None) -> Run:
        """
        Save a run of a session of the tenant's.
        """
        await self._check(run.session_id)
        try:
            return await self._ports.store.save_run(
                run, expected_revision=expected_revision
            )
        except ConflictError as error:
            raise self._without_owner(error, run.id) from None

    async def append_events(
        self,
        session_id: str,
        events: Sequence[Event],
        *,
        expected_sequence: int | None = None,
    ) -> tuple[list[Event], bool]:
        """
        Append events to the session.

        Returns:
            The stored events, and whether any of them is new.
        """
        await self._check(session_id)
        store = self._ports.store
        latest = await store.get_latest_sequence(session_id)
        stored = await store.append_events(events, expected_sequence=expected_sequence)
        return stored, any(event.sequence_number > latest for event in stored)

    async def flush(
        self, result: ExecutionResult, *, expected_sequence: int | None = None
    ) -> ExecutionResult:
        """
        Store a session of the tenant's with a run and its events.

        A tenant's new session is saved first: only a save can make sure that nobody
        else has begun a session of this id meanwhile.
        """
        if result.session is None:
            await self._check(result.session_id)
        else:
            session = self._stamped(result.session)
            result = attrs.evolve(result, session=session)
            if self._tenant_id is not None and not await self._revision_of(session.id):
                await self._ports.store.save_session(session, expected_revision=0)
        try:
            return await self._ports.store.flush(
                result, expected_sequence=expected_sequence
            )
        except ConflictError as error:
            run_id = "" if result.run is None else result.run.id
            raise self._without_owner(error, run_id) from None

    async def get_events(
        self, session_id: str, **filters: Any
    ) -> tuple[list[Event], int]:
        """
        Return events of the session, and its latest number before they were read.
        """
        await self.get_session(session_id)
        latest = await self._ports.store.get_latest_sequence(session_id)
        return await self._ports.store.get_events(session_id, **filters), latest

    async def follow_session(
        self, session_id: str, **filters: Any
    ) -> AsyncGenerator[Event]:
        """
        Begin to follow the session.
        """
        await self.get_session(session_id)
        return self._ports.feed.follow_session(
            session_id, tenant_id=self._tenant_id, **filters
        )

    async def check_database(self) -> None:
        """
        Make sure that the database answers.
        """
        await self._ports.store.get_latest_sequence("health")

    async def _check(self, session_id: str) -> None:
        # Without a tenant there is nothing to make sure of: what comes next finds out
        # itself whether the session exists.
        if self._tenant_id is not None:
            await self.get_session(session_id)

    async def _revision_of(self, session_id: str) -> int:
        try:
            session = await self._ports.store.get_session(session_id)
        except SessionNotFoundError:
            # What a save expects where there is nothing yet.
            return 0
        if session.tenant_id != self._tenant_id:
            raise SessionNotFoundError(session_id)
        return session.revision

    def _stamped(self, session: Session) -> Session:
        if self._tenant_id is None:
            return session
        if session.tenant_id not in (None, self._tenant_id):
            raise ValidationError("tenant_id: it is not yours to give")
        return attrs.evolve(session, tenant_id=self._tenant_id)

    def _owned(
        self, find: Callable[[str], Awaitable[T]]
    ) -> Callable[[str], Awaitable[T]]:
        async def owned(session_id: str) -> T:
            await self._check(session_id)
            return await find(session_id)

        return owned

    def _narrowed(self, find: Callable[P, T]) -> Callable[P, T]:
        def narrowed(*args: P.args, **kwargs: P.kwargs) -> T:
            if self._tenant_id is not None:
                if kwargs.get("tenant_id") not in (None, self._tenant_id):
                    raise NotFoundError("there is no such tenant")
                kwargs["tenant_id"] = self._tenant_id
            return find(*args, **kwargs)

        return narrowed

    def _without_owner(self, error: ConflictError, run_id: str) -> Exception:
        # A tenant must not learn whose run has the id that it wanted to use.
        is_of_another_session = type(error) is ConflictError
        if self._tenant_id is not None and is_of_another_session:
            return RunNotFoundError(run_id)
        return error


async def _put(
    save: Callable[..., Awaitable[T]], value: object, expected_revision: int | None
) -> tuple[T, bool]:
    """
    Insert or replace *value*, and return whether it was inserted.
    """
    if expected_revision is not None:
        saved = await save(value, expected_revision=expected_revision)
        return saved, not expected_revision
    try:
        return await save(value, expected_revision=0), True
    except RevisionConflictError:
        return await save(value), False
