"""
The port through which history is searched, added up and exported.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from asm_async.ports.history_transfer import HistoryTransfer
from asm_async.values.event import Event, EventType
from asm_async.values.page import Page
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.token_price import PriceLookup, PricingTable

MAX_PAGE_SIZE = 1_000
"""
The most that one page holds.
"""

MAX_TAGS_PER_SEARCH = 16
"""
The most tags that one search asks for.
"""

MAX_USAGE_GROUPS = 50_000
"""
The most groups of one summary of usage or cost.
"""

SessionOrder: TypeAlias = Literal[
    "created_at_asc", "created_at_desc", "updated_at_desc", "last_activity_desc"
]
RunOrder: TypeAlias = Literal["started_at_desc", "started_at_asc", "token_usage_desc"]
EventOrder: TypeAlias = Literal["sequence_asc", "timestamp_asc", "timestamp_desc"]
TimeBucket: TypeAlias = Literal["hour", "day", "month"]
UsageDimension: TypeAlias = Literal[
    "provider", "model", "agent", "tenant", "user", "session", "tag"
]


@runtime_checkable
class QueryAPI(HistoryTransfer, Protocol):
    """
    Questions about the history of many sessions; only :meth:`import_sessions` writes.

    **Filters.** What is found matches every filter given. None is no filter; a filter
    that takes several values matches any of them, and an empty collection matches
    nothing (but *tags*, which must all match). A text where a collection is asked for
    is refused. Times are aware, in any zone; ``..._after`` and ``..._before`` are
    exclusive, *since* is inclusive, *until* exclusive.

    **Pages.** *limit* is 0 to 1,000; with 0 the page is empty and has no cursor. Each
    order is total: items of the same time or count are in the order of their ids, in
    the same direction, and ids and other texts are compared by code point. A page
    begins after the last item of the one before, whatever was inserted or deleted
    since, so that going on shows nothing twice and leaves nothing out but what has
    changed its place: a session saved meanwhile moves in ``updated_at_desc``, one that
    was written to in ``last_activity_desc``, a run in ``token_usage_desc``.

    **Cost.** A page that no filter narrows costs the same wherever it begins and
    however long the history is. So does one that is narrowed by what the search's
    order is kept for as well: sessions by agent, tenant, user or statuses; runs in
    order of time by session, provider or statuses; events in order of their numbers by
    sessions, tenant, user, one run or *correlation_id*, and in order of time by
    *types*, of which up to 32 cost a page of keys each; everything by the time it is
    ordered by. Where another filter has few matches, a page costs what reading all of
    them costs: sessions by tag or parent, runs by session, agent, tenant or user,
    events by sessions, runs or *correlation_id*. Of events in order of their numbers by
    *types* or times, in order of time by a tenant, a user or more than 32 types, a page
    costs what sorting all of these costs as long as they are no more than 20,000.

    By their last activity, sessions are kept in order for all and for a tenant; of a
    user, a tag or a parent all are sorted. A page costs what looking at all that was
    active within a minute of it costs.

    What remains is looked at one by one in the search's order until the page is full:
    more than those 20,000, a session's provider, *providers* of events, *min_tokens* in
    order of time, a provider or status in order of tokens, a time that the order does
    not go by. It should have many matches, or be combined with a filter that has few.

    **Cursors.** A cursor is opaque text, good for the same search with the same order
    and filters; *limit* may differ. It does not expire, and holds no code and no
    secret.

    **One moment.** Each call answers from one moment of the database: what is counted,
    added up or exported together was stored together.

    **Deletion.** Soft deletion hides a session from :meth:`search_sessions` alone. Its
    runs and events are found, and count, until it is hard-deleted.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read (``InvalidCursorError`` for a cursor that is malformed, was
    changed, or belongs to another search), ``StoreClosedError`` from another event loop
    than the one that first used it, and the family of ``StorageError`` where the
    database fails.
    """

    async def search_sessions(
        self,
        *,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        status: SessionStatus | Collection[SessionStatus] | None = None,
        provider: str | None = None,
        tags: Collection[str] = (),
        parent_session_id: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        include_deleted: bool = False,
        with_context: bool = True,
        order_by: SessionOrder = "updated_at_desc",
        limit: int = 50,
        cursor: str | None = None,
        count_total: bool = False,
    ) -> Page[Session]:
        """
        Find sessions; no events or runs are read for it.

        Args:
            agent_id: Only sessions of this agent.

            tenant_id: Only sessions of this tenant.

            user_id: Only sessions of this user.

            status: Only sessions with this status, or one of these.

            provider: Only sessions with a run of this provider.

            tags: Only sessions that have all of these tags, at most 16.

            parent_session_id: Only sessions whose parent is this one.

            created_after: Only sessions created later.

            created_before: Only sessions created earlier.

            include_deleted: Whether to include soft-deleted ones.

            with_context:
                Whether to read *context* too, which may be far larger than all the
                rest. Without it that is an empty object: do not save such a session.

            order_by: By which time, and whether the latest come last or first.

            limit: The most that this page holds.

            cursor: Where the page begins: the *cursor* of the page before.

            count_total:
                Whether to count what is on all pages together. Counting visits every
                match, which searching does not.
        """
        ...

    async def get_session_stats(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> SessionStats:
        """
        Return a session in figures, soft-deleted or not.

        Raises:
            SessionNotFoundError: If no session of this id is stored, or it is not of
                *expected_tenant*, if that is given.
        """
        ...

    async def search_runs(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        provider: str | None = None,
        status: RunStatus | Collection[RunStatus] | None = None,
        started_after: datetime | None = None,
        started_before: datetime | None = None,
        min_tokens: int | None = None,
        order_by: RunOrder = "started_at_desc",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Run]:
        """
        Find runs of all sessions.

        Args:
            session_id: Only runs of this session.

            agent_id: Only runs of sessions of this agent.

            tenant_id: Only runs of sessions of this tenant.

            user_id: Only runs of sessions of this user.

            provider: Only runs of this provider.

            status: Only runs with this status, or one of these.

            started_after: Only runs started later.

            started_before: Only runs started earlier.

            min_tokens: Only runs with this many ``total_tokens`` or more; where
                *token_usage* has none, input and output are added up.

            order_by: By which time or count, and whether the greatest come last or
                first.

            limit: The most that this page holds.

            cursor: Where the page begins: the *cursor* of the page before.
        """
        ...

    async def get_usage_summary(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        provider: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        bucket: TimeBucket | None = None,
        group_by: UsageDimension | Collection[UsageDimension] = (),
    ) -> UsageSummary:
        """
        Add up what runs consumed.

        The sums are exact, however large. A run whose *token_usage* lacks a count adds
        nothing to it; where it lacks ``total_tokens``, input and output are added up.

        The answer holds an entry for each provider, model and bucket, and for each
        group that *group_by* asks for. There may be at most 50,000 groups: each
        provider, model and bucket, within each group of *group_by*.

        Groups by provider, model and time only are read from an index. Groups by a
        session's properties (agent, tenant, user, session, tag) read each run's
        session, and on PostgreSQL the run: narrow the question if there are very many.

        Args:
            session_id: Only runs of this session.

            agent_id: Only runs of sessions of this agent.

            tenant_id: Only runs of sessions of this tenant.

            user_id: Only runs of sessions of this user.

            provider: Only runs that name this provider; ``"unknown"`` is none.

            since: Only runs started at this time or later.

            until: Only runs started earlier.

            bucket: Also add up by the hour, day or month, in UTC, in which runs were
                started; hours, days and months without a run are left out.

            group_by: Also add up by this, or by each combination of these that a run
                has, within each bucket if there is one: ``"provider"``, ``"model"``,
                and ``"agent"``, ``"tenant"``, ``"user"``, ``"session"`` and ``"tag"``
                as a run's session has them now. A run counts once in the group of each
                of its session's tags, so that the sums by tag may be more than the
                totals, which count it once. Runs without a tag (user, model, ...) are
                in the group of None.

        Raises:
            ValidationError: If there are more than 50,000 groups. Ask for a shorter
                time, one tenant, agent or user, a longer bucket, or fewer names in
                *group_by*.
        """
        ...

    async def get_cost_summary(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        provider: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        pricing_table: PricingTable | None = None,
        price_lookup: PriceLookup | None = None,
        bucket: TimeBucket | None = None,
        group_by: UsageDimension | Collection[UsageDimension] = (),
    ) -> CostSummary:
        """
        Add up what runs cost.

        The cost of a run is its *cost_usd*. If that is None, the cost is computed from
        its tokens, including those of caches, by *pricing_table*, or otherwise by
        *price_lookup*; if neither has a price, the run counts as unmapped. Costs are
        added as floats: the last digits of a sum are not promised (of 15, the first 12
        are the same from every adapter).

        The filters, *bucket*, *group_by* and the size of the answer are those of
        :meth:`get_usage_summary`; each group of *group_by* also says how many of its
        runs are unmapped. *pricing_table* has prices for runs without a *cost_usd*.
        Other prices are looked up by *price_lookup*, such as
        :class:`~asm_async.integrations.genai_prices.GenAIPrices`: it is called with a
        provider and a model, or None for one that is not named, once for each pair,
        after everything is read; its exceptions are raised here.
        """
        ...

    async def search_events(
        self,
        *,
        session_ids: Collection[str] | None = None,
        run_ids: Collection[str] | None = None,
        types: EventType | str | Collection[EventType | str] | None = None,
        providers: Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        correlation_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        order_by: EventOrder = "sequence_asc",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Event]:
        """
        Find events of all sessions.

        Args:
            session_ids: Only events of these sessions.

            run_ids: Only events of these runs.

            types: Only events of this type, or of one of these.

            providers: Only events of these providers.

            since: Only events whose timestamp is this or later.

            until: Only events whose timestamp is earlier.

            correlation_id: Only events with this correlation id.

            tenant_id: Only events of sessions of this tenant.

            user_id: Only events of sessions of this user.

            order_by:
                ``sequence_asc`` goes by session id, then by sequence number; the others
                by timestamp, then by session id and sequence number.

            limit: The most that this page holds.

            cursor: Where the page begins: the *cursor* of the page before.
        """
        ...

    async def count_events(
        self,
        *,
        session_ids: Collection[str] | None = None,
        run_ids: Collection[str] | None = None,
        types: EventType | str | Collection[EventType | str] | None = None,
        providers: Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        correlation_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
    ) -> int:
        """
        Count what :meth:`search_events` would find on all pages, without reading it.
        """
        ...
