"""
Searching sessions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import attrs

from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.factories import NOON, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of
from asm_async.values.session import SessionStatus

__all__ = ["TestSessionSearches"]

_A_SECOND = timedelta(seconds=1)

# What each filter lets through of the crowd below, by the numbers of the sessions.
_FILTERS: Mapping[str, tuple[Mapping[str, Any], Collection[int]]] = MappingProxyType(
    {
        "agent": ({"agent_id": "writer"}, {3, 4, 7, 8}),
        "agent's name in another case": ({"agent_id": "Writer"}, set()),
        "tenant": ({"tenant_id": "tenant_1"}, {5, 6, 7, 8}),
        "user": ({"user_id": "user_1"}, {6, 8}),
        "user and tenant": ({"user_id": "user_1", "tenant_id": "tenant_1"}, {6, 8}),
        "user of another tenant": (
            {"user_id": "user_1", "tenant_id": "tenant_2"},
            set(),
        ),
        "status": ({"status": SessionStatus.ACTIVE}, {2, 4, 6, 8}),
        "status by its value": ({"status": "active"}, {2, 4, 6, 8}),
        "one status of several": (
            {"status": [SessionStatus.ACTIVE, SessionStatus.FAILED]},
            {2, 4, 6, 8},
        ),
        "all statuses": ({"status": set(SessionStatus)}, range(1, 9)),
        "no status": ({"status": []}, set()),
        "provider": ({"provider": "openai"}, {1, 2}),
        "another provider": ({"provider": "google"}, {2}),
        "unknown provider": ({"provider": "none"}, set()),
        "tag": ({"tags": ["odd"]}, {1, 3, 5, 7}),
        "tag given twice": ({"tags": ("odd", "odd")}, {1, 3, 5, 7}),
        "all of several tags": ({"tags": {"odd", "small"}}, {1, 3}),
        "tags that no session has both": ({"tags": ["odd", "even"]}, set()),
        "parent": ({"parent_session_id": "ses_1"}, {2, 5}),
        "created after, exclusive": (
            {"created_after": NOON + 6 * _A_SECOND},
            {7, 8},
        ),
        "created before, exclusive": (
            {"created_before": NOON + 3 * _A_SECOND},
            {1, 2},
        ),
        "created between": (
            {
                "created_after": NOON + 2 * _A_SECOND,
                "created_before": NOON + 5 * _A_SECOND,
            },
            {3, 4},
        ),
        "everything at once": (
            {
                "agent_id": "reader",
                "status": [SessionStatus.PENDING, SessionStatus.ACTIVE],
                "provider": "openai",
                "tags": ["small"],
                "created_after": NOON + _A_SECOND,
                "created_before": NOON + 9 * _A_SECOND,
                "include_deleted": True,
            },
            {2},
        ),
    }
)


async def save_a_crowd(store: SessionStore) -> None:
    """
    Store the sessions ``ses_1`` to ``ses_8``, of all kinds, a second apart.
    """
    for number in range(1, 9):
        bits = number - 1
        size = ["small"] if number < 5 else []
        session = make_session(
            id=f"ses_{number}",
            created_at=NOON + number * _A_SECOND,
            updated_at=NOON - number * _A_SECOND,
            status=SessionStatus.ACTIVE if bits & 1 else SessionStatus.PENDING,
            agent_id="writer" if bits & 2 else "reader",
            tenant_id="tenant_1" if bits & 4 else None,
            user_id="user_1" if bits & 5 == 5 else None,
            parent_session_id="ses_1" if number in {2, 5} else None,
            tags=["even" if bits & 1 else "odd", *size],
            metadata={"number": number},
        )
        await store.save_session(session)
    for number, provider in enumerate(["openai", "openai", "openai", "google", None]):
        session_id = f"ses_{1 if number < 2 else 2}"
        run = make_run(id=f"run_{number}", session_id=session_id, provider=provider)
        await store.save_run(run)


class TestSessionSearches(QueryAPIContract):
    """
    A search finds the sessions that match every filter, and no others.
    """

    async def test_where_there_is_nothing_nothing_is_found(
        self, query_api: QueryAPI
    ) -> None:
        """
        Without sessions the page is empty, and is the last.
        """
        page = await query_api.search_sessions(count_total=True)
        assert (page.items, page.cursor, page.total_count) == ((), None, 0)

    async def test_without_filters_every_session_is_found(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        What is found equals what the store gives, and comes in the order of updating.
        """
        await save_a_crowd(store)
        page = await query_api.search_sessions()
        stored = await store.list_sessions()
        assert list(page.items) == stored
        assert (page.cursor, page.total_count) == (None, None)

    async def test_each_filter_lets_through_what_matches(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Alone and together, in every order, and counted as well.
        """
        await save_a_crowd(store)
        for name, (filters, numbers) in _FILTERS.items():
            page = await query_api.search_sessions(
                **filters, order_by="created_at_asc", count_total=True
            )
            assert ids_of(page) == [f"ses_{number}" for number in sorted(numbers)], name
            assert page.total_count == len(numbers), name
            backwards = await query_api.search_sessions(
                **filters, order_by="created_at_desc"
            )
            assert ids_of(backwards) == ids_of(page)[::-1], name
            by_update = await query_api.search_sessions(**filters)
            assert by_update.items == page.items, name

    async def test_a_session_is_found_by_what_it_is_now(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        After saving, by its new tags and agent and not by the old ones.
        """
        await store.save_session(make_session(agent_id="writer", tags=["old", "kept"]))
        await store.save_session(make_session(agent_id="reader", tags=["kept", "new"]))
        expected: list[tuple[dict[str, Any], int]] = [
            ({"tags": ["old"]}, 0),
            ({"tags": ["kept", "new"]}, 1),
            ({"agent_id": "writer"}, 0),
            ({"agent_id": "reader"}, 1),
        ]
        for filters, number in expected:
            page = await query_api.search_sessions(**filters, count_total=True)
            assert page.total_count == len(page.items) == number, filters

    async def test_soft_deleted_sessions_are_found_on_demand(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Else they are left out, and not counted, until they are restored.
        """
        await save_a_crowd(store)
        await backend.soft_delete("ses_3")
        hidden = await query_api.search_sessions(agent_id="writer", count_total=True)
        assert ids_of(hidden) == ["ses_4", "ses_7", "ses_8"]
        assert hidden.total_count == 3
        shown = await query_api.search_sessions(
            agent_id="writer", include_deleted=True, count_total=True
        )
        assert ids_of(shown) == ["ses_3", "ses_4", "ses_7", "ses_8"]
        assert shown.total_count == 4
        assert shown.items[0] == await store.get_session("ses_3")
        await backend.restore("ses_3")
        assert "ses_3" in ids_of(await query_api.search_sessions())

    async def test_hard_deleted_sessions_are_found_no_more(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Neither by their own fields nor by their tags and runs.
        """
        await save_a_crowd(store)
        await store.delete_session("ses_1")
        by_run = await query_api.search_sessions(
            provider="openai", include_deleted=True
        )
        assert ids_of(by_run) == ["ses_2"]
        by_tag = await query_api.search_sessions(
            tags=["odd", "small"], include_deleted=True
        )
        assert ids_of(by_tag) == ["ses_3"]

    async def test_counting_counts_what_is_on_all_pages(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        On every page the same, also on one of no items.
        """
        await save_a_crowd(store)
        first = await query_api.search_sessions(limit=3, count_total=True)
        second = await query_api.search_sessions(
            limit=0, cursor=first.cursor, count_total=True
        )
        assert (first.total_count, second.total_count) == (8, 8)
        assert (len(first.items), second.items, second.cursor) == (3, (), None)

    async def test_a_search_can_leave_the_contexts_out(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Which changes neither what is found nor where a page begins.
        """
        saved = [
            await store.save_session(make_session(id=id_, context={"prompt": "long"}))
            for id_ in ("ses_1", "ses_2")
        ]
        first = await query_api.search_sessions(
            order_by="created_at_asc", limit=1, with_context=False
        )
        assert first.items == (attrs.evolve(saved[0], context={}),)
        second = await query_api.search_sessions(
            order_by="created_at_asc", cursor=first.cursor
        )
        assert second.items == (saved[1],)
