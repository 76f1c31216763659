"""
Searching runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.factories import NOON, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of
from asm_async.values.fields import MAX_COUNT
from asm_async.values.run import RunStatus

__all__ = ["TestRunSearches"]

_A_SECOND = timedelta(seconds=1)

# What each filter lets through of the crowd below, by the numbers of the runs.
_FILTERS: Mapping[str, tuple[Mapping[str, Any], Collection[int]]] = MappingProxyType(
    {
        "nothing": ({}, range(1, 9)),
        "session": ({"session_id": "ses_2"}, {5, 6, 7, 8}),
        "unknown session": ({"session_id": "ses_3"}, set()),
        "agent": ({"agent_id": "writer"}, {5, 6, 7, 8}),
        "unknown agent": ({"agent_id": "nobody"}, set()),
        "provider": ({"provider": "openai"}, {2, 4, 6, 8}),
        "status": ({"status": RunStatus.FAILED}, {3, 4, 7, 8}),
        "status by its value": ({"status": "failed"}, {3, 4, 7, 8}),
        "one status of several": (
            {"status": {RunStatus.FAILED, RunStatus.TIMEOUT}},
            {3, 4, 7, 8},
        ),
        "no status": ({"status": ()}, set()),
        "started after, exclusive": ({"started_after": NOON + 6 * _A_SECOND}, {7, 8}),
        "started before, exclusive": ({"started_before": NOON + 3 * _A_SECOND}, {1, 2}),
        "no minimum": ({"min_tokens": 0}, range(1, 9)),
        "minimum, inclusive": ({"min_tokens": 60}, {6, 7, 8}),
        "more than any": ({"min_tokens": MAX_COUNT}, set()),
        "everything at once": (
            {
                "session_id": "ses_2",
                "agent_id": "writer",
                "provider": "openai",
                "status": [RunStatus.FAILED, RunStatus.COMPLETED],
                "started_after": NOON,
                "started_before": NOON + 8 * _A_SECOND,
                "min_tokens": 1,
            },
            {6},
        ),
        "a session of another agent": (
            {"session_id": "ses_2", "agent_id": "reader"},
            set(),
        ),
    }
)


async def save_a_crowd(store: SessionStore) -> None:
    """
    Store the runs ``run_1`` to ``run_8`` of two sessions, each ten tokens dearer.
    """
    await store.save_session(make_session(id="ses_1", agent_id="reader"))
    await store.save_session(make_session(id="ses_2", agent_id="writer"))
    for number in range(1, 9):
        bits = number - 1
        run = make_run(
            id=f"run_{number}",
            session_id="ses_2" if bits & 4 else "ses_1",
            status=RunStatus.FAILED if bits & 2 else RunStatus.COMPLETED,
            provider="openai" if bits & 1 else None,
            started_at=NOON + number * _A_SECOND,
            ended_at=NOON + 9 * _A_SECOND,
            token_usage={"input_tokens": 9 * number, "output_tokens": number},
            input={"number": number},
        )
        await store.save_run(run)


class TestRunSearches(QueryAPIContract):
    """
    A search finds the runs that match every filter, and no others.
    """

    async def test_where_there_is_nothing_nothing_is_found(
        self, query_api: QueryAPI
    ) -> None:
        """
        Without runs the page is empty, and is the last.
        """
        page = await query_api.search_runs()
        assert (page.items, page.cursor, page.total_count) == ((), None, None)

    async def test_runs_are_found_whole(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        What is found equals what the store gives, the last started first.
        """
        await save_a_crowd(store)
        page = await query_api.search_runs()
        expected = [await store.get_run(f"run_{number}") for number in range(8, 0, -1)]
        assert list(page.items) == expected

    async def test_each_filter_lets_through_what_matches(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Alone and together, in every order.
        """
        await save_a_crowd(store)
        for name, (filters, numbers) in _FILTERS.items():
            expected = [f"run_{number}" for number in sorted(numbers)]
            by_start = await query_api.search_runs(**filters, order_by="started_at_asc")
            assert ids_of(by_start) == expected, name
            for order in ("started_at_desc", "token_usage_desc"):
                page = await query_api.search_runs(**filters, order_by=order)
                assert ids_of(page) == expected[::-1], name

    async def test_a_total_is_taken_or_made(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A run is placed by the total it tells, else by input and output together.
        """
        await store.save_session(make_session())
        for number, usage in enumerate(
            [
                {},
                {"input_tokens": 4, "output_tokens": 5},
                {"input_tokens": 4, "output_tokens": 5, "total_tokens": 1},
                {"input_tokens": MAX_COUNT, "output_tokens": MAX_COUNT},
                {"total_tokens": MAX_COUNT},
                {"cached": 1_000},
            ]
        ):
            await store.save_run(make_run(id=f"run_{number}", token_usage=usage))
        page = await query_api.search_runs(order_by="token_usage_desc")
        assert ids_of(page) == ["run_3", "run_4", "run_1", "run_2", "run_5", "run_0"]
        dear = await query_api.search_runs(min_tokens=9, order_by="token_usage_desc")
        assert ids_of(dear) == ["run_3", "run_4", "run_1"]
        first = await query_api.search_runs(order_by="token_usage_desc", limit=1)
        second = await query_api.search_runs(
            order_by="token_usage_desc", limit=1, cursor=first.cursor
        )
        assert ids_of(second) == ["run_4"]

    async def test_a_run_is_found_by_what_its_session_is_now(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        When a session passes to another agent, its runs do.
        """
        await save_a_crowd(store)
        await store.save_session(make_session(id="ses_2", agent_id="reader"))
        assert ids_of(await query_api.search_runs(agent_id="writer")) == []
        assert len((await query_api.search_runs(agent_id="reader")).items) == 8

    async def test_runs_of_soft_deleted_sessions_are_found(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Until the session is removed for good.
        """
        await save_a_crowd(store)
        await backend.soft_delete("ses_2")
        assert len((await query_api.search_runs(agent_id="writer")).items) == 4
        await store.delete_session("ses_2")
        assert len((await query_api.search_runs()).items) == 4
