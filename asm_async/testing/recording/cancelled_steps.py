"""
What becomes of a recorded run that is cancelled, whenever that is.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.recording import record_run
from asm_async.testing.concurrency import cancel_after
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session

__all__ = ["TestCancelledRuns"]

# Beyond the turns that a whole run takes on any backend.
MAX_TURNS = 60


class TestCancelledRuns(SessionStoreContract):
    """
    Whenever its caller is cancelled, a run has its end, and the end its event.
    """

    @pytest.mark.parametrize("turns", range(0, MAX_TURNS, 3))
    async def test_a_cancelled_run_has_ended(
        self, store: SessionStore, session: Session, turns: int
    ) -> None:
        """
        A run that is cancelled at any moment, also twice, has ended when its task has.
        """

        async def record() -> None:
            async with record_run(store, session) as run:
                await run.message_sent("Hello")
                run.add_usage({"input_tokens": 3, "output_tokens": 1})
                await run.message_received("Hello")

        task = asyncio.create_task(record())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

        runs = await store.list_runs(session.id)
        events = await store.get_events(session.id)
        assert_whole(runs, events)
        if not task.cancelled():
            assert runs[0].status is RunStatus.COMPLETED

    @pytest.mark.parametrize("turns", range(0, 12, 2))
    async def test_a_cancelled_step_can_be_repeated(
        self, store: SessionStore, session: Session, turns: int
    ) -> None:
        """
        A step that is made again after it was cancelled stands in the log once.
        """
        async with record_run(store, session) as run:
            await cancel_after(turns, run.message_sent("Hello"))
            await run.error_occurred("slow")
            stored = await cancel_after(turns, run.turn_completed())
            stored = stored or await run.turn_completed()
            again = await run.turn_completed()
        events = await store.get_events(session.id)

        assert [event.type for event in events[-4:]] == [
            EventType.ERROR_OCCURRED,
            EventType.TURN_COMPLETED,
            EventType.TURN_COMPLETED,
            EventType.RUN_COMPLETED,
        ]
        assert again.sequence_number == stored.sequence_number + 1
        assert (await store.get_run(run.id)).turn_count == 2


def assert_whole(runs: list[Run], events: list[Event]) -> None:
    """
    Expect either nothing at all, or one run with its beginning and its one end.
    """
    assert len(runs) <= 1
    if not runs:
        assert events == []
        return
    (run,) = runs
    ends = [event for event in events if event.type == f"run_{run.status}"]
    assert run.status in {RunStatus.COMPLETED, RunStatus.CANCELLED}
    assert events[0].type == "run_started"
    assert ends == events[-1:]
    assert ends[0].timestamp == run.ended_at
