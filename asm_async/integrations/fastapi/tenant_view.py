"""
The ports as one tenant sees them.

The one place that knows the tenant rule: routes see nothing else of the ports. With a
tenant, only that tenant's sessions exist, and what belongs to them; without one, all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeAlias, TypeVar

import attrs

from asm_async.errors import (
    NotFoundError,
    RevisionConflictError,
    RunNotFoundError,
    ValidationError,
)
from asm_async.fronts.text_search import text_search_of
from asm_async.integrations.fastapi.tenant_items import TenantItems
from asm_async.ports.together import Ports
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Changes, Committed
from asm_async.values.checkpoint import without_witness
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.text_match import TextMatch
from asm_async.values.transfer_reports import ExportReport

P = ParamSpec("P")
T = TypeVar("T")

Find: TypeAlias = Callable[..., Awaitable[T]]
Follow: TypeAlias = Callable[..., AsyncGenerator[tuple[Event, str]]]


class TenantView:
    """
    What of the ports exists for a tenant.

    What belongs to another tenant is not found, as if it had never been.
    """

    def __init__(self, ports: Ports, tenant_id: str | None) -> None:
        self._ports = ports
        self._tenant_id = tenant_id
        store, query = ports.store, ports.query
        feed, maintenance = ports.feed, ports.maintenance
        # What takes one session expects it to be the tenant's.
        own = self._expecting
        self.get_session: Find[Session] = own(store.get_session)
        self.soft_delete_session: Find[Session] = own(maintenance.soft_delete_session)
        self.restore_session: Find[Session] = own(maintenance.restore_session)
        self.items: TenantItems = TenantItems(ports, tenant_id)
        self.get_session_stats: Find[SessionStats] = own(query.get_session_stats)
        self.save_run: Find[Run] = own(store.save_run)
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

    async def search_text(self, **query: Any) -> Page[TextMatch]:
        """
        Find what was said in the tenant's sessions.
        """
        return await self._narrowed(self._search_text)(**query)

    async def _search_text(self, **query: Any) -> Page[TextMatch]:
        return await text_search_of(self._ports).search_text(**query)

    async def get_latest_checkpoint(self) -> str:
        """
        Return a place in the feed that says nothing of what lies before it.
        """
        checkpoint = await self._ports.feed.get_latest_checkpoint()
        return checkpoint if self._tenant_id is None else without_witness(checkpoint)

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
        """
        return await self._ports.store.save_session(
            self._stamped(session),
            expected_revision=expected_revision,
            expected_tenant=self._tenant_id,
        )

    async def copy_session(
        self, session_id: str, target: Session, **options: Any
    ) -> Session:
        """
        Copy a session of the tenant's.
        """
        return await self._ports.store.copy_session(
            session_id,
            self._stamped(target),
            **options,
            expected_tenant=self._tenant_id,
        )

    async def delete_session(self, session_id: str) -> None:
        """
        Remove the session permanently.
        """
        if self._tenant_id is None:
            # Without a tenant it is no error to remove what is not there.
            await self.get_session(session_id)
        await self._ports.store.delete_session(
            session_id, expected_tenant=self._tenant_id
        )

    async def get_run(self, session_id: str, run_id: str) -> Run:
        """
        Return a run of the session.
        """
        store = self._ports.store
        run = await store.get_run(run_id, expected_tenant=self._tenant_id)
        if run.session_id != session_id:
            raise RunNotFoundError(run_id)
        return run

    async def list_runs(self, session_id: str, **filters: Any) -> Page[Run]:
        """
        Return a page of the session's runs.
        """
        page = await self.search_runs(session_id=session_id, **filters)
        if not page.items:
            # Only an empty page has to be told from that of no session.
            await self._get_latest_sequence(session_id)
        return page

    async def list_artifacts(self, session_id: str) -> list[Artifact]:
        """
        List the session's artifacts, soft-deleted ones too.
        """
        found = await self._ports.artifacts.list_by_session(
            session_id, include_deleted=True
        )
        # What was found is shown only if the session is the tenant's.
        await self.get_session(session_id)
        return found

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
        append = partial(
            self._ports.store.append_events, events, expected_sequence=expected_sequence
        )
        return await self._appended(session_id, append)

    async def retract_events(
        self, session_id: str, **given: Any
    ) -> tuple[list[Event], bool]:
        """
        Hide events of the session.

        Returns:
            The stored events, and whether they are new.
        """
        retract = partial(self._ports.store.retract_events, session_id, **given)
        return await self._appended(session_id, retract)

    async def _appended(
        self, session_id: str, append: Find[list[Event]]
    ) -> tuple[list[Event], bool]:
        """
        Append events, and return them and whether any of them is new.
        """
        tenant_id = self._tenant_id
        latest = await self._ports.store.get_latest_sequence(
            session_id, expected_tenant=tenant_id
        )
        stored = await append(expected_tenant=tenant_id)
        return stored, any(event.sequence_number > latest for event in stored)

    async def commit(self, changes: Changes, **options: Any) -> Committed:
        """
        Store a session of the tenant's with runs and events.
        """
        session, created = changes.session, changes.create_session
        stamped = attrs.evolve(
            changes,
            session=session and self._stamped(session),
            create_session=created and self._stamped(created),
        )
        return await self._ports.store.commit(
            stamped, **options, expected_tenant=self._tenant_id
        )

    async def get_events(
        self, session_id: str, **filters: Any
    ) -> tuple[list[Event], int]:
        """
        Return events of the session, and its latest number before they were read.
        """
        latest = await self._get_latest_sequence(session_id)
        events = await self._ports.store.get_events(
            session_id, **filters, expected_tenant=self._tenant_id
        )
        return events, latest

    async def follow_session(
        self, session_id: str, **filters: Any
    ) -> AsyncGenerator[Event]:
        """
        Begin to follow the session, and let go of it once it is another tenant's.
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

    async def _get_latest_sequence(self, session_id: str) -> int:
        latest = await self._ports.store.get_latest_sequence(
            session_id, expected_tenant=self._tenant_id
        )
        if not latest and self._tenant_id is None:
            # Without a tenant a session that does not exist is at 0.
            await self.get_session(session_id)
        return latest

    def _stamped(self, session: Session) -> Session:
        if self._tenant_id is None:
            return session
        if session.tenant_id not in (None, self._tenant_id):
            raise ValidationError(
                "tenant_id: it must be your own tenant's; leave it out"
            )
        return attrs.evolve(session, tenant_id=self._tenant_id)

    def _expecting(self, call: Callable[..., Awaitable[T]]) -> Find[T]:
        return partial(call, expected_tenant=self._tenant_id)

    def _narrowed(self, find: Callable[P, T]) -> Callable[P, T]:
        def narrowed(*args: P.args, **kwargs: P.kwargs) -> T:
            if self._tenant_id is not None:
                if kwargs.get("tenant_id") not in (None, self._tenant_id):
                    raise NotFoundError("there is no such tenant")
                kwargs["tenant_id"] = self._tenant_id
            return find(*args, **kwargs)

        return narrowed


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
