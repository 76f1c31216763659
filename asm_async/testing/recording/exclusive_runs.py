"""
Runs beside which no other one of their session runs.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.errors import RunInProgressError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.together import Ports
from asm_async.recording import record_run, recover_interrupted_runs
from asm_async.testing.factories import make_run, make_session
from asm_async.testing.recording.contract import RecordingContract, standing_still
from asm_async.testing.session_store.contract import OpenStore
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session

__all__ = ["TestExclusiveRuns"]


class TestExclusiveRuns(RecordingContract):
    """
    An exclusive run begins alone, and no other one that is recorded begins beside it.
    """

    @pytest.mark.parametrize("exclusive", [True, False])
    async def test_no_run_begins_beside_an_exclusive_one(
        self, store: SessionStore, session: Session, *, exclusive: bool
    ) -> None:
        """
        The error names the run that is running; nothing of the other one is written.
        """
        async with record_run(store, session, exclusive=True) as run:
            with pytest.raises(RunInProgressError) as caught:
                async with record_run(store, session, exclusive=exclusive):
                    raise AssertionError
            runs = await store.list_runs(session.id)
        async with record_run(store, session, exclusive=exclusive):
            pass

        assert (caught.value.session_id, caught.value.run_id) == (session.id, run.id)
        assert len(runs) == 1
        assert len(await store.get_events(session.id)) == 4

    async def test_an_exclusive_run_does_not_begin_beside_another_one(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        Whether that is recorded or was saved by hand: it is running.
        """
        async with record_run(store, session) as run:
            await expect_refused(store, session, run.id)
        by_hand = make_run(session_id=session.id, status=RunStatus.RUNNING)
        await store.save_run(by_hand)
        await expect_refused(store, session, by_hand.id)

    async def test_other_sessions_are_not_kept_from_anything(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        An exclusive run is that of its session alone.
        """
        other = await store.save_session(make_session(id="ses_2"))
        async with (
            record_run(store, session, exclusive=True),
            record_run(store, other, exclusive=True),
        ):
            assert await store.get_active_run(other.id) is not None

    async def test_of_many_at_once_one_begins(
        self, open_store: OpenStore, store: SessionStore, session: Session
    ) -> None:
        """
        Of recorders in several processes none runs beside one that is exclusive.
        """
        stores = [store, await open_store()]
        tried = asyncio.Barrier(6)
        begun: list[bool] = []

        async def record(number: int) -> bool:
            is_exclusive = number % 3 != 0
            try:
                async with record_run(
                    stores[number % 2], session, exclusive=is_exclusive
                ):
                    begun.append(is_exclusive)
                    await tried.wait()
            except RunInProgressError:
                await tried.wait()
                return False
            return True

        won = await asyncio.gather(*(record(number) for number in range(6)))

        assert sum(won) == len(begun)
        assert begun == [True] or not any(begun)
        assert begun

    async def test_a_run_that_was_recovered_lets_others_begin(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        Its process being gone, an exclusive run is in the way until it is recovered.
        """
        async with standing_still(store, session, exclusive=True) as run:
            await expect_refused(store, session, run.id)
            await recover_interrupted_runs(ports)
            async with record_run(store, session), record_run(store, session):
                pass
            async with record_run(store, session, exclusive=True) as after:
                await expect_refused(store, session, after.id)

    async def test_a_run_that_was_ended_by_hand_lets_others_begin(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        The recorder of a run that was ended does not take the place of the next one.
        """

        def fail(run: Run) -> Run:
            return run.fail({"message": "ended by hand"})

        async with standing_still(store, session, exclusive=True) as run:
            await store.update_run(run.id, fail)
            async with record_run(store, session):
                pass
            after = record_run(store, session, exclusive=True)
            following = await after.__aenter__()
        # The first one's recorder has left meanwhile.
        await expect_refused(store, session, following.id)
        await after.__aexit__(None, None, None)
        async with record_run(store, session):
            pass


async def expect_refused(store: SessionStore, session: Session, run_id: str) -> None:
    """
    Begin an exclusive run, and be told which one is running.
    """
    with pytest.raises(RunInProgressError, match=f"'{run_id}'"):
        async with record_run(store, session, exclusive=True):
            raise AssertionError
