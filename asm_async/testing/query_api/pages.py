"""
Going from page to page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import cycle
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias, get_args

import pytest

from asm_async.ports.query_api import (
    MAX_PAGE_SIZE,
    EventOrder,
    QueryAPI,
    RunOrder,
    SessionOrder,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["TestPages"]

Item: TypeAlias = Session | Run | Event

# In the order of their code points. Any language's order would have "B" behind "a", and
# UTF-16's would have U+1F600 before U+FFFD.
_IDS = ("0", "B", "a", "a ", "ab", "b", "\x7f", "\u00e9", "\ufffd", "\U0001f600")
_TIMES = (
    NOON,
    NOON + timedelta.resolution,
    datetime.max.replace(tzinfo=UTC),
    NOON,
    datetime.min.replace(tzinfo=UTC),
    NOON,
    NOON - timedelta.resolution,
)

# Each search with its orders: by which attributes of an item, and whether backwards.
_BY_TIME = ("timestamp", "session_id", "sequence_number")
_ORDERS: Mapping[str, Mapping[str, tuple[tuple[str, ...], bool]]] = MappingProxyType(
    {
        "search_sessions": {
            "created_at_asc": (("created_at", "id"), False),
            "created_at_desc": (("created_at", "id"), True),
            "updated_at_desc": (("updated_at", "id"), True),
            "last_activity_desc": (("last_activity_at", "id"), True),
        },
        "search_runs": {
            "started_at_desc": (("started_at", "id"), True),
            "started_at_asc": (("started_at", "id"), False),
            "token_usage_desc": (("total_tokens", "id"), True),
        },
        "search_events": {
            "sequence_asc": (("session_id", "sequence_number"), False),
            "timestamp_asc": (_BY_TIME, False),
            "timestamp_desc": (_BY_TIME, True),
        },
    }
)
every_order: pytest.MarkDecorator = pytest.mark.parametrize(
    ("search", "order"),
    [
        pytest.param(search, order, id=f"{search}, {order}")
        for search, orders in _ORDERS.items()
        for order in orders
    ],
)


def in_order(items: Iterable[Item], search: str, order: str) -> list[Item]:
    """
    Put *items* in an order of a search.
    """
    names, is_backwards = _ORDERS[search][order]
    return sorted(items, key=attrgetter(*names), reverse=is_backwards)


async def save_a_crowd(store: SessionStore) -> dict[str, list[Item]]:
    """
    Store ten sessions, each with a run and two events, many of them at one time.

    Returns:
        What each search finds, in no order.
    """
    found: dict[str, list[Item]] = {search: [] for search in _ORDERS}
    times = cycle(_TIMES)
    for number, id_ in enumerate(_IDS):
        session = make_session(id=id_, created_at=next(times), updated_at=next(times))
        found["search_sessions"].append(await store.save_session(session))
        usage = {"total_tokens": number % 3}
        run = make_run(
            id=id_, session_id=id_, started_at=next(times), token_usage=usage
        )
        found["search_runs"].append(await store.save_run(run))
        events = [
            make_event(id=f"evt_{count}", session_id=id_, timestamp=next(times))
            for count in range(2)
        ]
        found["search_events"] += await store.append_events(events)
    return found


async def pages(
    query_api: QueryAPI, search: str, **arguments: Any
) -> AsyncIterator[Page[Item]]:
    """
    Yield a search's pages, each when the one before is done with.
    """
    cursor: str | None = None
    while True:
        page = await getattr(query_api, search)(**arguments, cursor=cursor)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


class TestPages(QueryAPIContract):
    """
    Page by page, everything is found once, in one stated order.
    """

    async def test_every_order_is_tried(self) -> None:
        """
        The orders of the tests below are all there are.
        """
        assert list(map(set, _ORDERS.values())) == [
            set(get_args(SessionOrder)),
            set(get_args(RunOrder)),
            set(get_args(EventOrder)),
        ]

    @every_order
    async def test_pages_of_any_length_give_what_one_page_gives(
        self, store: SessionStore, query_api: QueryAPI, search: str, order: str
    ) -> None:
        """
        By time or count, then by id in the same direction, compared by code point.
        """
        everything = (await save_a_crowd(store))[search]
        expected = in_order(everything, search, order)
        for limit in [*range(1, 8), len(expected) - 1, len(expected), MAX_PAGE_SIZE]:
            found = [
                page
                async for page in pages(query_api, search, order_by=order, limit=limit)
            ]
            assert [item for page in found for item in page.items] == expected, limit
            assert {len(page.items) for page in found[:-1]} <= {limit}
            assert found[-1].items, "a page without items needs no cursor before it"

    @every_order
    async def test_filtered_pages_give_what_one_page_gives(
        self, store: SessionStore, query_api: QueryAPI, search: str, order: str
    ) -> None:
        """
        A page goes on among what matches.
        """
        everything = (await save_a_crowd(store))[search]
        filters: dict[str, Any] = {
            "search_sessions": {"created_after": NOON, "agent_id": "assistant"},
            "search_runs": {"started_after": NOON, "agent_id": "assistant"},
            "search_events": {"since": NOON, "session_ids": ["B", "a ", "\ufffd", "x"]},
        }[search]
        matching = [
            item
            for item in everything
            if (isinstance(item, Session) and item.created_at > NOON)
            or (isinstance(item, Run) and item.started_at > NOON)
            or (
                isinstance(item, Event)
                and item.timestamp >= NOON
                and item.session_id in filters["session_ids"]
            )
        ]
        expected = in_order(matching, search, order)
        assert expected
        for limit in (1, 2, len(expected)):
            asked = {"order_by": order, "limit": limit, **filters}
            found = [page async for page in pages(query_api, search, **asked)]
            assert [item for page in found for item in page.items] == expected, limit

    @every_order
    async def test_a_page_of_no_items_leads_nowhere(
        self, store: SessionStore, query_api: QueryAPI, search: str, order: str
    ) -> None:
        """
        A limit of 0 gives nothing and no cursor, at the beginning and further on.
        """
        await save_a_crowd(store)
        find = getattr(query_api, search)
        first = await find(order_by=order, limit=1)
        for cursor in (None, first.cursor):
            page = await find(order_by=order, limit=0, cursor=cursor)
            assert (page.items, page.cursor) == ((), None)

    async def test_pages_have_a_default_and_a_greatest_length(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A hundred events unless asked otherwise, and a thousand at most.
        """
        await store.save_session(make_session())
        log = await store.append_events(make_events(MAX_PAGE_SIZE + 1))
        first = await query_api.search_events()
        assert list(first.items) == log[:100]
        rest = await query_api.search_events(cursor=first.cursor, limit=MAX_PAGE_SIZE)
        assert (list(rest.items), rest.cursor) == (log[100:], None)
        whole = await query_api.search_events(limit=MAX_PAGE_SIZE)
        assert list(whole.items) == log[:-1]
        last = await query_api.search_events(cursor=whole.cursor)
        assert (list(last.items), last.cursor) == (log[-1:], None)

    @every_order
    async def test_what_stays_is_found_once_while_others_come_and_go(
        self, store: SessionStore, query_api: QueryAPI, search: str, order: str
    ) -> None:
        """
        Insertions before and behind the page, and the deletion of its last item.
        """
        for number in range(10, 30):
            await self._save(store, number)
        gone: set[str] = set()
        found: list[str] = []
        newcomers = iter([*range(10), *range(30, 40)])
        async for page in pages(query_api, search, order_by=order, limit=3):
            found += [item.id for item in page.items]
            for _ in range(2):
                await self._save(store, next(newcomers, 50))
            last = page.items[-1]
            session_id = last.id if isinstance(last, Session) else last.session_id
            await store.delete_session(session_id)
            gone |= {session_id.replace("ses", kind) for kind in ("ses", "run", "evt")}
        kind = found[0][:3]
        stayed = {f"{kind}_{number}" for number in range(10, 30)} - gone
        assert len(found) == len(set(found))
        assert stayed <= set(found)

    async def test_what_moves_behind_the_page_is_found_again(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A session that is updated goes to the front; the others keep their places.
        """
        for number in range(10, 16):
            await self._save(store, number)
        first = await query_api.search_sessions(limit=2)
        assert ids_of(first) == ["ses_15", "ses_14"]
        moved = make_session(id="ses_12", updated_at=NOON + timedelta(days=1))
        await store.save_session(moved)
        second = await query_api.search_sessions(limit=9, cursor=first.cursor)
        assert ids_of(second) == ["ses_13", "ses_11", "ses_10"]
        again = await query_api.search_sessions(limit=2)
        assert ids_of(again) == ["ses_12", "ses_15"]

    async def _save(self, store: SessionStore, number: int) -> None:
        """
        Store a session with a run and an event, later and dearer by its *number*.
        """
        time = NOON + timedelta(seconds=number // 2)
        session_id = f"ses_{number}"
        event = make_event(id=f"evt_{number}", session_id=session_id, timestamp=time)
        result = ExecutionResult(
            session=make_session(id=session_id, created_at=time, updated_at=time),
            run=make_run(
                id=f"run_{number}",
                session_id=session_id,
                started_at=time,
                token_usage={"total_tokens": number // 2},
            ),
            events=(event,),
        )
        await store.flush(result)
