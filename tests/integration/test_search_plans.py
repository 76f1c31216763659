"""
Every search finds its page by an index.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from inspect import signature
from typing import Any, get_args

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.ports.query_api import EventOrder, RunOrder, SessionOrder
from asm_async.sql import SQLQueryAPI, create_engine, migrations
from asm_async.sql.core import rows, tables
from asm_async.sql.search import event_queries
from asm_async.testing.factories import NOON, make_event, make_run, make_session
from asm_async.values.event import Event, EventType
from asm_async.values.page import Page
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus
from tests.integration.query_plans import (
    RowsOf,
    Statement,
    analyse,
    insert_rows,
    is_scan,
    is_sort,
    statements_of,
    steps_of,
)
from tests.postgres_databases import PostgresDatabases

SESSIONS = 1_500
IDLE_SESSIONS = 1_500
RUNS = 9_000
EVENTS = 9_000
A_SECOND = timedelta(seconds=1)

# What each order of each search is kept in.
ORDERS = {
    ("search_sessions", "created_at_asc"): "ix_asm_sessions_created_at",
    ("search_sessions", "created_at_desc"): "ix_asm_sessions_created_at",
    ("search_sessions", "updated_at_desc"): "ix_asm_sessions_updated_at",
    ("search_runs", "started_at_asc"): "ix_asm_runs_started_at",
    ("search_runs", "started_at_desc"): "ix_asm_runs_started_at",
    ("search_runs", "token_usage_desc"): "ix_asm_runs_total_tokens",
    ("search_events", "sequence_asc"): "asm_events_1|asm_events_pkey",
    ("search_events", "timestamp_asc"): "ix_asm_events_timestamp",
    ("search_events", "timestamp_desc"): "ix_asm_events_timestamp",
}

# Filters that few items match, with the index by which these are found; where the index
# has the order as well, nothing is sorted.
IN_ORDER: list[tuple[str, dict[str, Any], str]] = [
    ("search_sessions", {"agent_id": "a7"}, "ix_asm_sessions_agent_id_updated_at"),
    ("search_sessions", {"tenant_id": "t7"}, "ix_asm_sessions_tenant_id_updated_at"),
    ("search_sessions", {"user_id": "u7"}, "ix_asm_sessions_user_id_updated_at"),
    ("search_sessions", {"status": "failed"}, "ix_asm_sessions_status_updated_at"),
    (
        "search_sessions",
        {"agent_id": "a7", "order_by": "created_at_desc"},
        "ix_asm_sessions_agent_id",
    ),
    (
        "search_sessions",
        {"tenant_id": "t7", "order_by": "created_at_asc"},
        "ix_asm_sessions_tenant_id",
    ),
    (
        "search_sessions",
        {"user_id": "u7", "order_by": "created_at_asc"},
        "ix_asm_sessions_user_id",
    ),
    (
        "search_sessions",
        {"status": "failed", "order_by": "created_at_asc"},
        "ix_asm_sessions_status",
    ),
    ("search_runs", {"provider": "rare"}, "ix_asm_runs_provider"),
    ("search_runs", {"status": RunStatus.RUNNING}, "ix_asm_runs_status"),
    ("search_runs", {"session_id": "ses_7"}, "ix_asm_runs_session_id"),
    ("search_runs", {"started_after": NOON + 8_000 * A_SECOND}, "ix_asm_runs_started"),
    (
        "search_runs",
        {"min_tokens": 990, "order_by": "token_usage_desc"},
        "ix_asm_runs_total_tokens",
    ),
    ("search_events", {"session_ids": ["ses_7"]}, "asm_events_1|asm_events_pkey"),
    ("search_events", {"run_ids": ["run_7"]}, "ix_asm_events_run_id"),
    ("search_events", {"correlation_id": "trace_6"}, "ix_asm_events_correlation_id"),
    (
        "search_events",
        {
            "since": NOON + 4_000 * A_SECOND,
            "until": NOON + 4_010 * A_SECOND,
            "order_by": "timestamp_desc",
        },
        "ix_asm_events_timestamp",
    ),
]
TO_BE_SORTED: list[tuple[str, dict[str, Any], str]] = [
    ("search_sessions", {"tags": ["tag_7"]}, "ix_asm_session_tags_tag"),
    ("search_sessions", {"tags": ["common", "tag_7"]}, "asm_session_tags"),
    (
        "search_sessions",
        {"parent_session_id": "ses_7"},
        "ix_asm_sessions_parent_session_id",
    ),
    ("search_sessions", {"provider": "common"}, "ix_asm_runs_session_id_provider"),
    ("search_runs", {"agent_id": "a7"}, "asm_sessions"),
    (
        "search_runs",
        {"session_id": "ses_7", "order_by": "token_usage_desc"},
        "ix_asm_runs_session_id",
    ),
    (
        "search_events",
        {"session_ids": ["ses_7", "ses_8"], "order_by": "timestamp_asc"},
        "asm_events",
    ),
    ("search_events", {"run_ids": ["run_7", "run_8"]}, "ix_asm_events_run_id"),
    (
        "search_events",
        {"correlation_id": "trace_6", "order_by": "timestamp_asc"},
        "ix_asm_events_correlation_id",
    ),
]
# Filters whose index has the order for one value, asked for several.
MERGED: list[tuple[str, dict[str, Any], str]] = [
    (
        "search_sessions",
        {"status": ["completed", "failed"]},
        "ix_asm_sessions_status_updated_at",
    ),
    (
        "search_sessions",
        {"status": ["completed", "failed"], "order_by": "created_at_asc"},
        "ix_asm_sessions_status",
    ),
    ("search_runs", {"status": ["completed", "running"]}, "ix_asm_runs_status"),
    (
        "search_events",
        {"types": ["error_occurred"], "order_by": "timestamp_asc"},
        "ix_asm_events_type",
    ),
    (
        "search_events",
        {"types": ["message_sent"], "order_by": "timestamp_desc"},
        "ix_asm_events_type",
    ),
    (
        "search_events",
        {
            "types": ["message_sent", "message_received", "error_occurred"],
            "order_by": "timestamp_desc",
        },
        "ix_asm_events_type",
    ),
    (
        "search_events",
        {
            "types": ["message_sent", "app.unknown"],
            "since": NOON + 4_000 * A_SECOND,
            "until": NOON + 4_900 * A_SECOND,
            "order_by": "timestamp_asc",
        },
        "ix_asm_events_type",
    ),
]
# Filters that leave few events, found by an index that has not the order.
FEW: list[tuple[dict[str, Any], str]] = [
    ({"types": ["error_occurred"]}, "ix_asm_events_type"),
    ({"types": ["error_occurred", "app.unknown"]}, "ix_asm_events_type"),
    (
        {"types": ["message_sent"], "since": NOON + 8_950 * A_SECOND},
        "ix_asm_events_type|ix_asm_events_timestamp",
    ),
    ({"since": NOON + 8_950 * A_SECOND}, "ix_asm_events_timestamp"),
    ({"until": NOON + 50 * A_SECOND}, "ix_asm_events_timestamp"),
    (
        {
            "types": ["error_occurred", *(f"app.{number}" for number in range(32))],
            "order_by": "timestamp_asc",
        },
        "ix_asm_events_type",
    ),
]
# Filters that few events match, whatever their type.
NARROWER: list[tuple[dict[str, Any], str]] = [
    ({"session_ids": ["ses_7"]}, "asm_events_1|asm_events_pkey"),
    ({"session_ids": ["ses_7", "ses_8"]}, "asm_events_1|asm_events_pkey"),
    ({"run_ids": ["run_7"]}, "ix_asm_events_run_id"),
    ({"run_ids": ["run_7", "run_8"]}, "ix_asm_events_run_id"),
    ({"correlation_id": "trace_6"}, "ix_asm_events_correlation_id"),
]
# Filters that many items match: their order is gone through.
GONE_THROUGH: list[tuple[str, dict[str, Any]]] = [
    ("search_runs", {"provider": "common", "order_by": "token_usage_desc"}),
    (
        "search_runs",
        {"status": [RunStatus.COMPLETED], "order_by": "token_usage_desc"},
    ),
    ("search_runs", {"min_tokens": 10}),
    ("search_events", {"types": ["message_sent", "message_received"]}),
    ("search_events", {"types": ["message_sent"]}),
    ("search_events", {"types": ["message_sent"], "since": NOON}),
    ("search_events", {"since": NOON}),
    ("search_events", {"providers": ["common"], "order_by": "timestamp_asc"}),
]
# A value of each filter that many items match, and one that few do.
VALUES: dict[str, dict[str, tuple[Any, ...]]] = {
    "search_sessions": {
        "agent_id": ("a7",),
        "tenant_id": ("t7",),
        "user_id": ("u7",),
        "status": ("completed", "failed", list(SessionStatus)),
        "provider": ("common",),
        "tags": (["tag_7"],),
        "parent_session_id": ("ses_7",),
        "created_after": (NOON + 5 * A_SECOND,),
        "created_before": (NOON + 900 * A_SECOND,),
        "include_deleted": (True,),
    },
    "search_runs": {
        "session_id": ("ses_7",),
        "agent_id": ("a7",),
        "tenant_id": ("t7",),
        "user_id": ("u7",),
        "provider": ("common", "rare"),
        "status": ("completed", "running", ["completed", "running"]),
        "started_after": (NOON + 5 * A_SECOND, NOON + 8_950 * A_SECOND),
        "started_before": (NOON + 8_950 * A_SECOND, NOON + 50 * A_SECOND),
        "min_tokens": (10, 990),
    },
    "search_events": {
        "session_ids": (["ses_7"], ["ses_7", "ses_8"]),
        "run_ids": (["run_7"], ["run_7", "run_8"]),
        "types": (["message_sent"], ["error_occurred"], ["message_sent", "app.own"]),
        "providers": (["common"], ["common", "rare"]),
        "since": (NOON + 5 * A_SECOND, NOON + 8_950 * A_SECOND),
        "until": (NOON + 8_950 * A_SECOND, NOON + 50 * A_SECOND),
        "correlation_id": ("trace_6",),
        "tenant_id": ("t7",),
        "user_id": ("u7",),
    },
}


def event_type(number: int) -> EventType:
    """
    Return the type of an event: two are frequent, one is rare.
    """
    if number % 900 == 4:
        return EventType.ERROR_OCCURRED
    return EventType.MESSAGE_SENT if number % 2 else EventType.MESSAGE_RECEIVED


def values() -> Iterator[RowsOf]:
    """
    Yield rows: of some kinds there are many, of others a few.
    """
    sessions = [
        make_session(
            id=f"ses_{number}",
            agent_id=f"a{number % 50}",
            tenant_id=f"t{number % 50}",
            user_id=f"u{number % 50}",
            parent_session_id=f"ses_{number // 9}" if number % 9 == 0 else None,
            status=SessionStatus.COMPLETED if number % 20 else SessionStatus.FAILED,
            tags=["common", f"tag_{number % 500}"],
            created_at=NOON + number * A_SECOND,
            updated_at=NOON - number * A_SECOND,
        )
        for number in range(SESSIONS + IDLE_SESSIONS)
    ]
    runs = [
        make_run(
            id=f"run_{number}",
            session_id=f"ses_{number % SESSIONS}",
            status=RunStatus.COMPLETED if number % 50 else RunStatus.RUNNING,
            provider="common" if number % 90 else "rare",
            started_at=NOON + number * A_SECOND,
            token_usage={"total_tokens": number * 7 % 1_000},
        )
        for number in range(RUNS)
    ]
    events = [
        make_event(
            id=f"evt_{number}",
            session_id=f"ses_{number % SESSIONS}",
            sequence_number=1 + number // SESSIONS,
            run_id=f"run_{number % RUNS}",
            type=event_type(number),
            timestamp=NOON + number * A_SECOND,
            provider="common" if number % 3 else None,
            correlation_id=f"trace_{number % 300}" if number % 3 == 0 else None,
        )
        for number in range(EVENTS)
    ]
    yield tables.sessions, [rows.session_row(session) for session in sessions]
    yield (
        tables.session_sequences,
        [
            {"session_id": session.id, "last_sequence": 0, "pruned_count": 0}
            | {"state": "live", "updated_at": NOON, "tenant_id": session.tenant_id}
            for session in sessions
        ],
    )
    yield tables.session_tags, [row for one in sessions for row in rows.tag_rows(one)]
    yield tables.runs, [rows.run_row(run) for run in runs]
    yield tables.events, [rows.event_row(event) for event in events]


def fill(url: str, *, is_analysed: bool = True) -> str:
    """
    Fill a database, which the tests only read.
    """

    async def fill() -> None:
        engine = create_engine(url)
        await migrations.upgrade(engine)
        await insert_rows(engine, values())
        if is_analysed:
            await analyse(engine)
        await engine.dispose()

    # With a factory the runner leaves the thread's current event loop alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(fill())
    return url


@pytest.fixture(scope="module")
def plain_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """
    Return an SQLite file that is filled and knows nothing of its statistics.
    """
    path = tmp_path_factory.mktemp("plans") / "plain.sqlite3"
    return fill(f"sqlite+aiosqlite:///{path}", is_analysed=False)


@pytest.fixture(scope="module")
def analysed_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """
    Return one that knows them.
    """
    path = tmp_path_factory.mktemp("plans") / "analysed.sqlite3"
    return fill(f"sqlite+aiosqlite:///{path}")


@pytest.fixture(scope="module")
def filled_postgres_url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """
    Yield a PostgreSQL database that is filled.
    """
    with postgres_databases.empty() as url:
        yield fill(url)


@pytest.fixture(
    params=[
        "plain_sqlite_url",
        "analysed_sqlite_url",
        pytest.param("filled_postgres_url", marks=pytest.mark.postgres),
    ],
    ids=["sqlite", "analysed sqlite", "postgresql"],
)
def url(request: pytest.FixtureRequest) -> str:
    """
    Return a filled database of each kind in turn.
    """
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on it.
    """
    engine = create_engine(url)
    yield engine
    await engine.dispose()


async def statements_of_search(
    engine: AsyncEngine, search: str, **arguments: Any
) -> list[Statement]:
    """
    Return the statements that a search takes.
    """
    query_api = SQLQueryAPI(engine)
    # The first call of all looks at the schema's version.
    await query_api.search_sessions(limit=0)
    with statements_of(engine) as statements:
        await getattr(query_api, search)(**arguments)
    return statements


async def steps_of_search(
    engine: AsyncEngine, search: str, filters: dict[str, Any]
) -> list[list[str]]:
    """
    Return the steps of a search's first page and of its second.
    """
    find = getattr(SQLQueryAPI(engine), search)
    found: list[list[str]] = []
    cursor = None
    for _ in range(2):
        with statements_of(engine) as statements:
            page = await find(**filters, limit=5, cursor=cursor)
        cursor = page.cursor
        *_, statement = statements
        assert page.items, "what finds nothing proves nothing"
        found.append(await steps_of(engine, statement))
        if cursor is None:
            break
    return found


def filters_of(find: Callable[..., object]) -> set[str]:
    """
    Return the names of a search's filters.
    """
    no_filters = {"self", "order_by", "limit", "cursor", "count_total", "with_context"}
    return signature(find).parameters.keys() - no_filters


def uses(steps: list[str], index: str) -> bool:
    """
    Return whether a step goes by the index, or by one of several.
    """
    return any(name in step for step in steps for name in index.split("|"))


async def test_every_order_is_read_off_an_index(engine: AsyncEngine) -> None:
    """
    Nothing is sorted, and no table scanned, for the first page or for a later one.
    """
    for (search, order), index in ORDERS.items():
        for steps in await steps_of_search(engine, search, {"order_by": order}):
            assert uses(steps, index), (order, steps)
            assert not any(map(is_sort, steps)), (order, steps)
            assert not any(map(is_scan, steps)), (order, steps)


async def test_a_filter_may_share_its_index_with_the_order(
    engine: AsyncEngine,
) -> None:
    """
    What few items match is found by an index, and on SQLite never sorted.

    PostgreSQL may know that there are too few for an order to be worth anything.
    """
    for search, filters, index in IN_ORDER:
        for steps in await steps_of_search(engine, search, filters):
            assert uses(steps, index), (filters, steps)
            assert not any(map(is_scan, steps)), (filters, steps)
            if engine.dialect.name == "sqlite":
                assert not any(map(is_sort, steps)), (filters, steps)


async def test_every_selective_filter_has_an_index(engine: AsyncEngine) -> None:
    """
    What few items match is found by an index, and sorted.
    """
    for search, filters, index in TO_BE_SORTED:
        for steps in await steps_of_search(engine, search, filters):
            assert uses(steps, index), (filters, steps)
            assert not any(map(is_scan, steps)), (filters, steps)


async def test_several_values_are_read_off_one_index_each(
    engine: AsyncEngine,
) -> None:
    """
    The first keys of each value stand side by side, and a page's rows are read last.
    """
    for search, filters, index in MERGED:
        for steps in await steps_of_search(engine, search, filters):
            assert not any(map(is_scan, steps)), (filters, steps)
            if engine.dialect.name == "sqlite":
                assert uses(steps, f"{index} ("), (filters, steps)
                assert not any("SCAN asm_" in step for step in steps), (filters, steps)
            else:
                # What is as frequent as here may be looked at in the order's own index.
                assert uses(steps, f"{index}|_at|_timestamp"), (filters, steps)


async def test_a_later_page_of_types_begins_behind_the_one_before(
    engine: AsyncEngine,
) -> None:
    """
    What comes before the page is not gone through again, of any type.
    """
    filters = {"types": ["message_sent", "message_received"]}
    for order in ("timestamp_asc", "timestamp_desc"):
        _, steps = await steps_of_search(
            engine, "search_events", {**filters, "order_by": order}
        )
        assert not any(map(is_scan, steps)), steps
        if engine.dialect.name == "sqlite":
            of_types = [step for step in steps if "ix_asm_events_type" in step]
            key = "(type=? AND (timestamp,session_id,sequence_number)"
            assert [key in step for step in of_types] == [True, True], steps


async def test_few_events_are_rather_sorted_than_looked_for(
    engine: AsyncEngine,
) -> None:
    """
    What few events match is not looked for among all; an index tells that it is few.
    """
    for filters, index in FEW:
        for steps in await steps_of_search(engine, "search_events", filters):
            assert uses(steps, index), (filters, steps)
            assert not any(map(is_scan, steps)), (filters, steps)
            assert not any("SCAN asm_" in step for step in steps), (filters, steps)
        counting, _ = await statements_of_search(engine, "search_events", **filters)
        steps = await steps_of(engine, counting)
        assert uses(steps, index), (filters, steps)
        if engine.dialect.name == "sqlite":
            assert any("COVERING" in step for step in steps), (filters, steps)


async def test_few_and_many_events_are_found_alike(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Which way a page is found changes nothing about it.
    """
    query_api = SQLQueryAPI(engine)
    of_tenant: dict[str, Any] = {"tenant_id": "t7", "order_by": "timestamp_asc"}
    for filters in [*(filters for filters, _ in FEW), of_tenant]:
        pages: list[tuple[Page[Event], Page[Event]]] = []
        for few in (20_000, 0):
            monkeypatch.setattr(event_queries, "_FEW", few)
            first = await query_api.search_events(**filters, limit=3)
            assert first.cursor
            second = await query_api.search_events(
                **filters, limit=3, cursor=first.cursor
            )
            pages.append((first, second))
        assert pages[0] == pages[1], filters


async def test_a_type_is_no_way_to_find_what_fewer_events_match(
    engine: AsyncEngine,
) -> None:
    """
    The events of a session, a run or a trace are looked at, not those of a type.
    """
    types = ["message_sent", "message_received"]
    times: dict[str, Any] = {"since": NOON, "until": NOON + 8_999 * A_SECOND}
    for filters, found_by in NARROWER:
        index = found_by
        one = types[1:] if "correlation_id" in filters else types[:1]
        for more in ({"types": one}, {"types": types}, {"types": types} | times):
            asked = {**filters, **more}
            (counting,) = await statements_of_search(engine, "count_events", **asked)
            plans = [await steps_of(engine, counting)]
            for order in get_args(EventOrder):
                ordered = {**asked, "order_by": order}
                plans += await steps_of_search(engine, "search_events", ordered)
            if engine.dialect.name == "postgresql":
                # It may know the times to be narrower.
                index += "|ix_asm_events_timestamp"
            for steps in plans:
                assert uses(steps, index), (asked, steps)


async def test_what_many_items_match_is_found_in_order(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Instead of sorting most of a table, the order's index is gone through.
    """
    monkeypatch.setattr(event_queries, "_FEW", 1_000)
    for search, filters in GONE_THROUGH:
        for steps in await steps_of_search(engine, search, filters):
            assert not any(map(is_scan, steps)), (filters, steps)
            assert not any(map(is_sort, steps)), (filters, steps)


async def test_a_large_tenant_is_found_in_order(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its events are not sorted for each page, and a later page does not begin anew.
    """
    monkeypatch.setattr(event_queries, "_FEW", 10)
    for order in get_args(EventOrder):
        filters = {"tenant_id": "t7", "order_by": order}
        pages = await steps_of_search(engine, "search_events", filters)
        for steps in pages:
            assert not any(map(is_scan, steps)), (order, steps)
            if engine.dialect.name == "sqlite" and order != "sequence_asc":
                assert not any(map(is_sort, steps)), (order, steps)


async def test_a_later_page_of_a_tenant_does_not_begin_anew(
    engine: AsyncEngine,
) -> None:
    """
    Its sessions before the page are left out.
    """
    query_api = SQLQueryAPI(engine)
    page = await query_api.search_events(tenant_id="t7", limit=5)
    with statements_of(engine) as statements:
        await query_api.search_events(tenant_id="t7", limit=5, cursor=page.cursor)
    *_, (text, parameters) = statements
    assert "asm_sessions.id >= " in text
    assert page.items[-1].session_id in parameters


async def test_no_search_goes_without_an_index(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever the filter and the order, no table is scanned.
    """
    monkeypatch.setattr(event_queries, "_FEW", 100)
    orders = {
        # What goes by the last activity is in tests/integration/test_activity.py.
        "search_sessions": set(get_args(SessionOrder)) - {"last_activity_desc"},
        "search_runs": get_args(RunOrder),
        "search_events": get_args(EventOrder),
    }
    for search, filters in VALUES.items():
        assert filters.keys() == filters_of(getattr(SQLQueryAPI, search))
        for name, examples in filters.items():
            for value in examples:
                for order in orders[search]:
                    asked = {name: value, "order_by": order, "limit": 5}
                    found = await statements_of_search(engine, search, **asked)
                    if engine.dialect.name == "postgresql":
                        # So small a table it may count whole.
                        found = found[-1:]
                    for one in found:
                        steps = await steps_of(engine, one)
                        assert not any(map(is_scan, steps)), (asked, steps)


async def test_a_later_page_of_a_session_begins_within_it(
    engine: AsyncEngine,
) -> None:
    """
    What comes before the page is not gone through again, however long the session is.
    """
    _, steps = await steps_of_search(
        engine, "search_events", {"session_ids": ["ses_7"]}
    )
    if engine.dialect.name == "sqlite":
        assert any("session_id=? AND sequence_number>?" in step for step in steps)
    assert uses(steps, "asm_events_1|asm_events_pkey")


async def test_a_later_page_of_sessions_begins_within_one_of_them(
    engine: AsyncEngine,
) -> None:
    """
    Sessions before the page are not gone through again, and the last one is alone.
    """
    query_api = SQLQueryAPI(engine)
    filters: dict[str, Any] = {"session_ids": ["ses_7", "ses_8"], "limit": 5}
    cursor, found = None, list[str]()
    for _ in range(3):
        page = await query_api.search_events(**filters, cursor=cursor)
        found += [event.session_id for event in page.items]
        cursor = page.cursor
    assert found == ["ses_7"] * 6 + ["ses_8"] * 6
    cursor = None
    for _ in range(2):
        cursor = (await query_api.search_events(**filters, cursor=cursor)).cursor
    with statements_of(engine) as statements:
        await query_api.search_events(**filters, cursor=cursor)
    *_, (text, parameters) = statements
    assert "ses_7" not in str(parameters)
    assert "asm_events.sequence_number > " in text


async def test_searching_reads_nothing_else(engine: AsyncEngine) -> None:
    """
    Sessions are found without a look at events, and runs without one at either.
    """
    query_api = SQLQueryAPI(engine)
    with statements_of(engine) as statements:
        await query_api.search_sessions(
            agent_id="a7", provider="common", tags=["common"], count_total=True
        )
        await query_api.search_runs(agent_id="a7", min_tokens=1)
    assert len(statements) > 2
    assert [text for text, _ in statements if "asm_events" in text] == []
    with statements_of(engine) as statements:
        await query_api.count_events(types=["message_sent"])
    *_, (counting, _) = statements
    assert "data" not in counting


async def test_a_search_is_planned_for_its_values(engine: AsyncEngine) -> None:
    """
    However often it was made, no plan is kept that would suit other values better.
    """
    query_api = SQLQueryAPI(engine)
    for _ in range(8):
        await query_api.search_runs(agent_id="a7", order_by="token_usage_desc")
        await query_api.search_events(types=["error_occurred"])
        await query_api.search_events(
            types=["error_occurred", "message_sent"], order_by="timestamp_desc"
        )
    if engine.dialect.name == "postgresql":
        async with engine.connect() as conn:
            plans = await conn.exec_driver_sql(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
                " WHERE statement ~ '^SELECT.*asm_(runs|events)'"
            )
            assert [tuple(plan) for plan in plans] == [(0, 8)] * 4
