"""
Measure pages of search results: ``python -m benchmarks.searching``, some five minutes.

In a history of 10,000 sessions, a million runs and a million events, each order is gone
through from page to page, by the cursors; then the thousandth page is timed in turn
with the first. Searches by a filter are timed alone. Of each, the fastest call counts:
what else the machine does makes a call slower, never faster.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any

from rich.console import Console

from asm_async.sql import SQLQueryAPI, create_engine
from asm_async.values.event import EventType
from benchmarks.databases import (
    DATABASES,
    Database,
    Databases,
    add_directory_option,
    databases_on_disk,
)
from benchmarks.load_history import load_history
from benchmarks.load_runs import YEAR, session_id

_LAST_PAGE = 1_000
_TYPES = ["message_sent", "message_received"]

# A thousand pages of ten sessions are all there are.
_ORDERS: tuple[tuple[str, int, Sequence[str], Mapping[str, Any]], ...] = (
    (
        "search_sessions",
        9,
        (
            "created_at_asc",
            "created_at_desc",
            "updated_at_desc",
            "last_activity_desc",
        ),
        {},
    ),
    (
        "search_runs",
        50,
        ("started_at_asc", "started_at_desc", "token_usage_desc"),
        {},
    ),
    (
        "search_events",
        100,
        ("sequence_asc", "timestamp_asc", "timestamp_desc"),
        {},
    ),
    (
        "search_events",
        100,
        ("sequence_asc", "timestamp_asc", "timestamp_desc"),
        {"types": _TYPES[:1]},
    ),
    ("search_events", 100, ("timestamp_asc", "timestamp_desc"), {"types": _TYPES}),
)
_SESSIONS = [session_id(number) for number in range(3_000, 3_200)]
_FILTERS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("search_sessions", {"agent_id": "agent_7"}),
    ("search_sessions", {"agent_id": "agent_7", "count_total": True}),
    ("search_sessions", {"provider": "openai"}),
    ("search_sessions", {"provider": "nobody"}),
    ("search_runs", {"agent_id": "agent_7"}),
    ("search_runs", {"agent_id": "agent_7", "order_by": "token_usage_desc"}),
    ("search_runs", {"provider": "acme"}),
    ("search_runs", {"provider": "acme", "order_by": "token_usage_desc"}),
    ("search_runs", {"session_id": _SESSIONS[0], "order_by": "token_usage_desc"}),
    ("search_events", {"session_ids": _SESSIONS}),
    ("search_events", {"session_ids": _SESSIONS, "order_by": "timestamp_desc"}),
    ("search_events", {"run_ids": [f"run_{700_000:032x}"]}),
    ("search_events", {"correlation_id": "trace_7000"}),
    ("search_events", {"types": _TYPES[:1]}),
    ("search_events", {"types": _TYPES[:1], "order_by": "timestamp_desc"}),
    ("search_events", {"types": _TYPES, "order_by": "timestamp_desc"}),
    ("search_events", {"types": list(EventType), "order_by": "timestamp_desc"}),
    ("search_events", {"types": ["error_occurred"]}),
    ("search_events", {"types": ["error_occurred"], "order_by": "timestamp_desc"}),
    ("search_events", {"providers": ["nobody"], "order_by": "timestamp_desc"}),
    ("search_events", {"since": YEAR, "until": YEAR + timedelta(hours=9)}),
    ("count_events", {"session_ids": _SESSIONS}),
    ("count_events", {"types": _TYPES[:1]}),
    ("count_events", {"types": ["error_occurred"]}),
    ("count_events", {}),
)


async def timed(call: Callable[..., Awaitable[object]], **arguments: Any) -> float:
    """
    Return the milliseconds that a call takes.
    """
    start = perf_counter()
    await call(**arguments)
    return 1_000 * (perf_counter() - start)


async def measure_orders(
    query_api: SQLQueryAPI, database: Database, rounds: int
) -> list[str]:
    """
    Go through each order, and time its first page and its last in turn.
    """
    lines: list[str] = []
    for search, limit, orders, filters in _ORDERS:
        find = getattr(query_api, search)
        for order in orders:
            asked = {**filters, "order_by": order, "limit": limit}
            page = await find(**asked)
            for _ in range(_LAST_PAGE - 2):
                page = await find(**asked, cursor=page.cursor)
            pairs = [
                [await timed(find, **asked, cursor=c) for c in (None, page.cursor)]
                for _ in range(rounds)
            ]
            first, thousandth = (min(times) for times in zip(*pairs, strict=True))
            lines.append(
                f"| {database} | {search} | {described(filters)} | {order} | {limit} |"
                f" {first:.2f} ms | {thousandth:.2f} ms |"
                f" **{thousandth / first:.2f}** |"
            )
    return lines


def described(filters: Mapping[str, Any]) -> str:
    """
    Return a search's arguments as the documentation has them.
    """
    given = (
        f"{name} ({len(value)})"
        if isinstance(value, list) and len(value) > 1
        else f"{name}={value}"
        if name in {"order_by", "provider", "providers", "types"}
        else name
        for name, value in filters.items()
    )
    return ", ".join(given)


async def measure_filters(
    query_api: SQLQueryAPI, database: Database, rounds: int
) -> list[str]:
    """
    Time searches by a filter.
    """
    lines: list[str] = []
    for search, filters in _FILTERS:
        call = getattr(query_api, search)
        fastest = min([await timed(call, **filters) for _ in range(rounds)])
        lines.append(
            f"| {database} | {search} | {described(filters)} | {fastest:.2f} |"
        )
    return lines


async def measure(
    databases: Databases, database: Database, options: argparse.Namespace
) -> tuple[list[str], list[str]]:
    """
    Load a history and search it.
    """
    place = await databases.new(database)
    await load_history(place, options.events)
    engine = create_engine(place.url)
    query_api = SQLQueryAPI(engine)
    orders = await measure_orders(query_api, database, options.rounds)
    filters = await measure_filters(query_api, database, options.rounds)
    await engine.dispose()
    await databases.remove(place)
    return orders, filters


def main() -> None:
    """
    Measure and show.
    """
    parser = argparse.ArgumentParser(prog="searching", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", choices=DATABASES, action="append")
    add_directory_option(parser)
    options, console = parser.parse_args(), Console()
    heads = (
        "| database | search | filters | order | items | page 1 | page 1,000 | ratio |",
        "| database | search | filters | ms |",
    )
    tables: list[list[str]] = [[], []]
    with databases_on_disk(options.directory) as databases:
        for database in options.database or DATABASES:
            found = asyncio.run(measure(databases, database, options))
            tables = [
                [*table, *more] for table, more in zip(tables, found, strict=True)
            ]
    for head, table in zip(heads, tables, strict=True):
        rule = "|" + " --- |" * (head.count("|") - 1)
        text = "\n".join(["", head, rule, *table])
        console.print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
