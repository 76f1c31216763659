"""
Searching and counting events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, get_args

from asm_async.ports.query_api import EventOrder, QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_event, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.values.event import Event, EventType

__all__ = ["TestEventSearches"]

_A_SECOND = timedelta(seconds=1)

# What each filter lets through of the crowd below, by the numbers of the events.
_FILTERS: Mapping[str, tuple[Mapping[str, Any], Collection[int]]] = MappingProxyType(
    {
        "nothing": ({}, range(1, 17)),
        "a session": ({"session_ids": ["ses_2"]}, range(9, 17)),
        "sessions": ({"session_ids": {"ses_1", "ses_2", "ses_3"}}, range(1, 17)),
        "unknown session": ({"session_ids": ["ses_3"]}, set()),
        "no session": ({"session_ids": []}, set()),
        "a run": ({"run_ids": ["run_1"]}, {5, 6, 7, 8, 13, 14, 15, 16}),
        "runs": ({"run_ids": ("run_0", "run_1")}, range(1, 17)),
        "no run": ({"run_ids": ()}, set()),
        "a type": ({"types": [EventType.MESSAGE_SENT]}, {1, 2, 5, 6, 9, 10, 13, 14}),
        "one type": ({"types": "message_sent"}, {1, 2, 5, 6, 9, 10, 13, 14}),
        "an own type": ({"types": ["app.thought"]}, {3, 4, 7, 8, 11, 12, 15, 16}),
        "types": ({"types": ["app.thought", "message_sent"]}, range(1, 17)),
        "no type": ({"types": frozenset[str]()}, set()),
        "a provider": ({"providers": ["openai"]}, range(2, 17, 2)),
        "providers": ({"providers": ["openai", "google"]}, range(2, 17, 2)),
        "since, inclusive": ({"since": NOON - 3 * _A_SECOND}, {1, 2, 3}),
        "until, exclusive": ({"until": NOON - 14 * _A_SECOND}, {15, 16}),
        "since and until": (
            {"since": NOON - 5 * _A_SECOND, "until": NOON - 3 * _A_SECOND},
            {4, 5},
        ),
        "correlation": ({"correlation_id": "trace_1"}, {1, 6, 11, 16}),
        "everything at once": (
            {
                "session_ids": ["ses_1", "ses_2"],
                "run_ids": ["run_1", "run_2"],
                "types": [EventType.MESSAGE_SENT],
                "providers": ["openai"],
                "since": NOON - 15 * _A_SECOND,
                "until": NOON,
                "correlation_id": "trace_1",
            },
            {6},
        ),
    }
)


def crowd() -> Iterable[Event]:
    """
    Make sixteen events of two sessions, each a second earlier than the one before.
    """
    for number in range(1, 17):
        bits = number - 1
        yield make_event(
            id=f"evt_{number}",
            session_id="ses_2" if bits & 8 else "ses_1",
            run_id="run_1" if bits & 4 else "run_0",
            type="app.thought" if bits & 2 else EventType.MESSAGE_SENT,
            provider="openai" if bits & 1 else None,
            timestamp=NOON - number * _A_SECOND,
            correlation_id="trace_1" if number % 5 == 1 else None,
            data={"number": number, "text": "\0"},
        )


async def save_a_crowd(store: SessionStore) -> list[Event]:
    """
    Store :func:`crowd` and give it as stored.
    """
    for session_id in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=session_id))
    return await store.append_events(list(crowd()))


class TestEventSearches(QueryAPIContract):
    """
    A search finds the events that match every filter, and no others.
    """

    async def test_where_there_is_nothing_nothing_is_found(
        self, query_api: QueryAPI
    ) -> None:
        """
        Without events the page is empty, and is the last.
        """
        page = await query_api.search_events()
        assert (page.items, page.cursor, page.total_count) == ((), None, None)
        assert await query_api.count_events() == 0

    @needs(Capability.SPANS_SESSIONS)
    async def test_each_filter_lets_through_what_matches(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Alone and together, in every order; whole, and counted as well.
        """
        stored = await save_a_crowd(store)
        for name, (filters, numbers) in _FILTERS.items():
            expected = [stored[number - 1] for number in sorted(numbers)]
            page = await query_api.search_events(**filters)
            assert list(page.items) == expected, name
            page = await query_api.search_events(**filters, order_by="timestamp_desc")
            assert list(page.items) == expected, name
            page = await query_api.search_events(**filters, order_by="timestamp_asc")
            assert list(page.items) == expected[::-1], name
            assert await query_api.count_events(**filters) == len(expected), name

    @needs(Capability.SPANS_SESSIONS)
    async def test_many_values_are_no_problem(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A search may ask for more sessions, runs and types than a statement has places.
        """
        stored = await save_a_crowd(store)
        strangers = [f"app.stranger_{number}" for number in range(70_000)]
        page = await query_api.search_events(
            session_ids=["ses_1", "ses_2", *strangers],
            run_ids=["run_0", "run_1", *strangers],
            types=["app.thought", EventType.MESSAGE_SENT, *strangers],
            limit=10,
        )
        assert list(page.items) == stored[:10]

    async def test_sessions_are_gone_through_one_after_the_other(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A page may begin in the midst of one of the given sessions and end in another.
        """
        for number in range(1, 7):
            await store.save_session(make_session(id=f"ses_{number}"))
            events = [
                make_event(id=f"evt_{count}", session_id=f"ses_{number}")
                for count in range(number)
            ]
            await store.append_events(events)
        wanted = ["ses_5", "ses_6", "ses_2", "ses_4"]
        log = [event for id_ in sorted(wanted) for event in await store.get_events(id_)]
        for limit in range(1, len(log) + 1):
            found: list[Event] = []
            cursor: str | None = None
            while cursor or not found:
                page = await query_api.search_events(
                    session_ids=wanted, limit=limit, cursor=cursor
                )
                found += page.items
                cursor = page.cursor
            assert found == log, limit

    @needs(Capability.SPANS_SESSIONS)
    async def test_events_of_soft_deleted_sessions_are_found(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Until they are pruned, or the session is removed for good.
        """
        await save_a_crowd(store)
        await backend.soft_delete("ses_2")
        assert await query_api.count_events() == 16
        await backend.prune("ses_1", {1, 2, 3})
        for order in get_args(EventOrder):
            page = await query_api.search_events(order_by=order)
            assert len(page.items) == await query_api.count_events() == 13
        await store.delete_session("ses_2")
        assert await query_api.count_events() == 5
        assert len((await query_api.search_events()).items) == 5
