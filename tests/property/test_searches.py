"""
Whatever is stored and searched for, every adapter finds what the one in memory finds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, get_args

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.ports.query_api import EventOrder, QueryAPI, RunOrder, SessionOrder
from asm_async.ports.session_store import SessionStore
from asm_async.sql.search import event_queries
from asm_async.testing import strategies
from asm_async.testing.factories import NOON
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import Elsewhere
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from tests.effort import examples

some_examples = settings(
    max_examples=examples(25),
    # All examples of a test share their stores; each leaves them empty.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Few enough to be met twice; their order is no language's.
TEXTS = st.sampled_from(("a", "B", "a ", "\u00e9", "\ufffd", "\U0001f600"))
MOMENTS = [NOON + number * timedelta.resolution for number in range(4)]
TIMES = st.sampled_from(MOMENTS) | strategies.times()
TYPES = st.sampled_from((EventType.MESSAGE_SENT, EventType.ERROR_OCCURRED, "app.own"))
# Whose an id is before and after each example: where it becomes another tenant's,
# numbers and revisions go on from a random place.
OWNER = "owner"
NOTHING: st.SearchStrategy[Mapping[str, Any]] = st.just({})


@attrs.frozen
class History:
    """
    What is stored.
    """

    sessions: tuple[Session, ...]
    runs: tuple[Run, ...]
    events: tuple[Event, ...]

    async def store_in(self, store: SessionStore) -> None:
        """
        Save and append all of it.
        """
        for session in self.sessions:
            await store.save_session(attrs.evolve(session, tenant_id=OWNER))
        for run in self.runs:
            await store.save_run(run)
        for session in self.sessions:
            await store.save_session(session)
        await store.append_events(self.events)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """
    Make a history of a few sessions.
    """
    session = strategies.sessions(
        id=TEXTS,
        agent_id=TEXTS,
        tenant_id=st.none() | TEXTS,
        user_id=st.none() | TEXTS,
        parent_session_id=st.none() | TEXTS,
        tags=st.lists(TEXTS, max_size=3, unique=True).map(tuple),
        created_at=TIMES,
        updated_at=TIMES,
        metadata=NOTHING,
        context=NOTHING,
    )
    sessions = draw(st.lists(session, max_size=6, unique_by=lambda value: value.id))
    if not sessions:
        return History((), (), ())
    session_ids = st.sampled_from([session.id for session in sessions])
    usage = st.fixed_dictionaries({}, optional={"total_tokens": st.integers(0, 3)})
    run = strategies.runs(
        id=TEXTS,
        session_id=session_ids,
        provider=st.none() | TEXTS,
        started_at=TIMES,
        token_usage=usage | strategies.token_usages(),
        input=st.none(),
        output=st.none(),
        metadata=NOTHING,
        provider_metadata=NOTHING,
    )
    event = strategies.events(
        id=strategies.ids(),
        session_id=session_ids,
        run_id=st.none() | TEXTS,
        type=TYPES,
        timestamp=TIMES,
        provider=st.none() | TEXTS,
        correlation_id=st.none() | TEXTS,
        data=NOTHING,
        metadata=NOTHING,
    )
    runs = draw(st.lists(run, max_size=6, unique_by=lambda value: value.id))
    events = draw(st.lists(event, max_size=9, unique_by=lambda value: value.id))
    return History(tuple(sessions), tuple(runs), tuple(events))


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """
    Make a list of a few values, or of none.
    """
    return st.lists(values, max_size=3)


def one_or_some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """
    Make one value, or a list of a few.
    """
    return values | some(values)


def searches(
    order: Any, **filters: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """
    Make the arguments of a search: any of the filters, and any order.
    """
    orders = {"order_by": st.sampled_from(get_args(order))}
    return st.fixed_dictionaries(orders, optional=filters)


SESSION_SEARCHES = searches(
    SessionOrder,
    agent_id=TEXTS,
    tenant_id=TEXTS,
    user_id=TEXTS,
    status=one_or_some(st.sampled_from(SessionStatus)),
    provider=TEXTS,
    tags=some(TEXTS),
    parent_session_id=TEXTS,
    created_after=TIMES,
    created_before=TIMES,
    include_deleted=st.booleans(),
    count_total=st.booleans(),
)
RUN_SEARCHES = searches(
    RunOrder,
    session_id=TEXTS,
    agent_id=TEXTS,
    tenant_id=TEXTS,
    user_id=TEXTS,
    provider=TEXTS,
    status=one_or_some(st.sampled_from(RunStatus)),
    started_after=TIMES,
    started_before=TIMES,
    min_tokens=st.integers(0, 3) | strategies.counts(),
)
EVENT_FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "session_ids": some(TEXTS),
    "run_ids": some(TEXTS),
    "types": some(TYPES),
    "providers": some(TEXTS),
    "since": TIMES,
    "until": TIMES,
    "correlation_id": TEXTS,
    "tenant_id": TEXTS,
    "user_id": TEXTS,
}
EVENT_SEARCHES = searches(EventOrder, **EVENT_FILTERS)
LIMITS = st.integers(1, 4)
# Up to how many events are sorted, and of how many types pages are put together.
BOUNDS = st.tuples(st.sampled_from((0, 2, 20_000)), st.sampled_from((1, 32)))


@attrs.frozen
class Twin:
    """
    The adapter that is put to the test, and the one in memory that knows better.
    """

    stores: tuple[SessionStore, SessionStore]
    query_apis: tuple[QueryAPI, QueryAPI]

    @asynccontextmanager
    async def holding(self, history: History) -> AsyncGenerator[None]:
        """
        Store a history in both, for as long as an example lasts.
        """
        try:
            for store in self.stores:
                await history.store_in(store)
            yield
        finally:
            for store in self.stores:
                for session in history.sessions:
                    await store.save_session(attrs.evolve(session, tenant_id=OWNER))
                    await store.delete_session(session.id)

    async def check(self, search: str, arguments: Mapping[str, Any]) -> None:
        """
        Assert that both find the same, page for page, cursors included.
        """
        cursors: list[str | None] = [None, None]
        is_by_activity = arguments["order_by"] == "last_activity_desc"
        while True:
            tested, known = [
                await getattr(api, search)(**arguments, cursor=cursor)
                for api, cursor in zip(self.query_apis, cursors, strict=True)
            ]
            cursors = [tested.cursor, known.cursor]
            if is_by_activity:
                # Each has its own clock, whose times stand in the cursors.
                assert (tested.cursor is None) == (known.cursor is None)
                tested = attrs.evolve(tested, cursor=known.cursor)
            assert tested == known
            if known.cursor is None:
                return


class TestSearches(QueryAPIContract):
    """
    The adapters find the same, in the same order, on the same pages.
    """

    @pytest.fixture
    def twin(self, store: SessionStore, query_api: QueryAPI) -> Twin:
        """
        Put an adapter in memory beside the one that is put to the test.
        """
        memory = Elsewhere()
        return Twin((store, memory.store), (query_api, memory.query_api))

    @some_examples
    @given(history=histories(), arguments=st.lists(SESSION_SEARCHES), limit=LIMITS)
    async def test_sessions(
        self,
        twin: Twin,
        history: History,
        arguments: list[dict[str, Any]],
        limit: int,
    ) -> None:
        """
        Sessions are found, and counted, by any filters.
        """
        async with twin.holding(history):
            for each in arguments:
                await twin.check("search_sessions", {**each, "limit": limit})

    @some_examples
    @given(history=histories(), arguments=st.lists(RUN_SEARCHES), limit=LIMITS)
    async def test_runs(
        self,
        twin: Twin,
        history: History,
        arguments: list[dict[str, Any]],
        limit: int,
    ) -> None:
        """
        Runs are found by any filters.
        """
        async with twin.holding(history):
            for each in arguments:
                await twin.check("search_runs", {**each, "limit": limit})

    @some_examples
    @given(
        history=histories(),
        arguments=st.lists(EVENT_SEARCHES),
        limit=LIMITS,
        bounds=BOUNDS,
    )
    async def test_events(
        self,
        twin: Twin,
        history: History,
        arguments: list[dict[str, Any]],
        limit: int,
        bounds: tuple[int, int],
    ) -> None:
        """
        Events are found, and counted, by any filters, and in whatever way.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(event_queries, "_FEW", bounds[0])
            patch.setattr(event_queries, "_MAX_TYPES_TO_MERGE", bounds[1])
            await self.check_events(twin, history, arguments, limit)

    async def check_events(
        self,
        twin: Twin,
        history: History,
        arguments: list[dict[str, Any]],
        limit: int,
    ) -> None:
        """
        Assert that both find the same events, and count as many.
        """
        async with twin.holding(history):
            for each in arguments:
                await twin.check("search_events", {**each, "limit": limit})
                filters = {name: each[name] for name in each if name in EVENT_FILTERS}
                tested, known = [
                    await api.count_events(**filters) for api in twin.query_apis
                ]
                assert tested == known
