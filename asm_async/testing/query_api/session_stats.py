"""
A session in figures.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.values.fields import MAX_COUNT
from asm_async.values.run import RunStatus
from asm_async.values.summaries import SessionStats, TokenTotals

__all__ = ["TestSessionStats"]

_NOTHING = TokenTotals(input_tokens=0, output_tokens=0, total_tokens=0)


@pytest.mark.usefixtures("session")
class TestSessionStats(QueryAPIContract):
    """
    What is counted and added up belongs to the session, and was stored together.
    """

    async def test_an_empty_session_has_no_figures(self, query_api: QueryAPI) -> None:
        """
        Without events there are no times, and without runs there is nothing to add.
        """
        assert await query_api.get_session_stats("ses_1") == SessionStats(
            event_count=0,
            run_count=0,
            token_totals=_NOTHING,
            providers_used=(),
            first_event_at=None,
            last_event_at=None,
            status_counts={},
        )

    async def test_runs_and_events_are_counted_and_added_up(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Times are the earliest and the latest, in whatever order events were appended.
        """
        for number, (provider, status, usage) in enumerate(
            [
                ("openai", RunStatus.COMPLETED, {"input_tokens": 5}),
                ("Openai", RunStatus.COMPLETED, {"output_tokens": 7}),
                ("openai", RunStatus.FAILED, {"input_tokens": 1, "total_tokens": 90}),
                (None, RunStatus.RUNNING, {"cached": 1_000}),
            ]
        ):
            run = make_run(id=f"run_{number}", provider=provider, status=status)
            await store.save_run(run.update_token_usage(usage))
        later, earlier = NOON + timedelta(days=1), NOON - timedelta(microseconds=1)
        for number, time in enumerate([NOON, later, earlier]):
            await store.append_event(make_event(id=f"evt_{number}", timestamp=time))
        await self._store_another_session(store)

        assert await query_api.get_session_stats("ses_1") == SessionStats(
            event_count=3,
            run_count=4,
            token_totals=TokenTotals(input_tokens=6, output_tokens=7, total_tokens=102),
            providers_used=("Openai", "openai"),
            first_event_at=earlier,
            last_event_at=later,
            status_counts={
                RunStatus.COMPLETED: 2,
                RunStatus.FAILED: 1,
                RunStatus.RUNNING: 1,
            },
        )

    async def test_pruned_events_are_not_counted(
        self, store: SessionStore, query_api: QueryAPI, backend: SessionStoreBackend
    ) -> None:
        """
        Events that were removed count no more, nor do their times.
        """
        times = [NOON + timedelta(hours=hour) for hour in range(3)]
        await store.append_events(
            [make_event(id=f"evt_{time:%H}", timestamp=time) for time in times]
        )
        await backend.prune("ses_1", [1, 3])
        stats = await query_api.get_session_stats("ses_1")
        assert stats.event_count == 1
        assert stats.first_event_at == stats.last_event_at == times[1]

    async def test_tokens_are_added_without_overflow(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Counts at their bound add up past 2**63, exactly.
        """
        count = 1_030
        usage = dict.fromkeys(("input_tokens", "output_tokens"), MAX_COUNT)
        await asyncio.gather(
            *(
                store.save_run(make_run(id=f"run_{number}", token_usage=usage))
                for number in range(count)
            )
        )
        stats = await query_api.get_session_stats("ses_1")
        assert stats.token_totals == TokenTotals(
            input_tokens=count * MAX_COUNT,
            output_tokens=count * MAX_COUNT,
            total_tokens=count * MAX_COUNT * 2,
        )

    async def test_a_soft_deleted_session_has_figures_and_an_unknown_one_none(
        self, store: SessionStore, query_api: QueryAPI, backend: SessionStoreBackend
    ) -> None:
        """
        The error names the id that was asked for, also if it once was a session's.
        """
        await store.save_run(make_run())
        await store.append_events(make_events(2))
        await backend.soft_delete("ses_1")
        stats = await query_api.get_session_stats("ses_1")
        assert (stats.run_count, stats.event_count) == (1, 2)
        await store.delete_session("ses_1")
        for session_id in ("ses_1", "ses_unknown"):
            with pytest.raises(SessionNotFoundError) as caught:
                await query_api.get_session_stats(session_id)
            assert caught.value.session_id == session_id

    async def test_an_id_must_be_text(self, query_api: QueryAPI) -> None:
        """
        What can be no id is refused by name.
        """
        wrong: list[Any] = ["", "a\0b", None, 7]
        for session_id in wrong:
            with pytest.raises(ValidationError, match=r"^session_id: "):
                await query_api.get_session_stats(session_id)

    async def test_figures_are_of_one_moment(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        While runs are flushed with two events each, there are always twice as many.
        """

        async def write() -> None:
            for number in range(20):
                run = make_run(id=f"run_{number}")
                events = make_events(2, first=2 * number, run_id=run.id)
                await store.flush(make_execution_result(run=run, events=events))

        async def read() -> None:
            for _ in range(20):
                stats = await query_api.get_session_stats("ses_1")
                assert stats.event_count == 2 * stats.run_count

        await asyncio.gather(write(), read())

    async def _store_another_session(self, store: SessionStore) -> None:
        await store.save_session(make_session(id="ses_2"))
        await store.save_run(make_run(id="run_x", session_id="ses_2", provider="other"))
        await store.append_event(make_event(session_id="ses_2"))
