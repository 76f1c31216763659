from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.sql.writes import retries
from asm_async.sql.writes.operations import Outcome
from tests.unit.scripted_perform import (
    ScriptedPerform,
    ScriptedWriter,
    append,
    group_commit_of,
    named,
    names,
    submit,
    within,
)

BUSY = StorageBusyError("busy")
LOST = StorageUnavailableError("lost", outcome_unknown=True)
NO = StorageError("no")


@pytest.fixture(params=[True, False], ids=["lane", "task"], autouse=True)
def takes_lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have groups started by callbacks, or all of them by the task that drains.
    """
    monkeypatch.setattr(ScriptedWriter, "takes_lane", request.param)


def pause_of(seconds: float) -> Callable[[int], float]:
    """
    Make the function that gives the same pause after any number of failures.
    """

    def pause_after(_: int) -> float:
        return seconds

    return pause_after


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Try again at once.
    """
    monkeypatch.setattr(retries, "pause_after", pause_of(0))


@pytest.fixture
def perform() -> ScriptedPerform:
    """
    Return a stand-in whose tries end when the test says so.
    """
    return ScriptedPerform(is_held=True)


async def cancel(task: asyncio.Task[Outcome]) -> bool:
    """
    Cancel *task* and tell, some turns of the loop later, whether it was let go.
    """
    task.cancel()
    await turns()
    return task.done()


async def turns(number: int = 10) -> None:
    """
    Let all others have some turns.
    """
    for _ in range(number):
        await asyncio.sleep(0)


async def test_who_waits_in_the_queue_is_withdrawn(perform: ScriptedPerform) -> None:
    """
    Cancelled before its group has begun, an operation never happens.
    """
    groups, operations = group_commit_of(perform), named(4)
    tasks = submit(groups, operations[0])
    await perform.begun()
    tasks += submit(groups, *operations[1:])
    await turns()
    assert await cancel(tasks[2])
    perform.let_go()
    await asyncio.wait(tasks)

    assert tasks[2].cancelled()
    assert perform.stored == names(operations[0], operations[1], operations[3])


async def test_who_was_never_heard_is_withdrawn(perform: ScriptedPerform) -> None:
    """
    Cancelled before its own first turn, an operation never happens.
    """
    groups, operations = group_commit_of(perform), named(2)
    perform.let_go()
    (task,) = submit(groups, operations[0])
    assert await cancel(task)
    assert task.cancelled()
    await groups.submit(operations[1], 30)

    assert perform.stored == names(operations[1])


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("failure", [None, BUSY, NO, ZeroDivisionError()])
async def test_who_is_under_way_waits_for_the_outcome(
    times: int, failure: Exception | None, perform: ScriptedPerform
) -> None:
    """
    However often it is cancelled, it ends when its fate is known; nothing is repeated.
    """
    perform.failures.append(failure)
    groups = group_commit_of(perform)
    (task,) = submit(groups, append("evt"))
    await perform.begun()
    for _ in range(times):
        assert not await cancel(task)
    perform.release()
    async with within(5):
        await asyncio.wait({task})
        await groups.aclose()

    assert task.cancelled()
    assert perform.stored == ([] if failure else ["evt"])
    assert len(perform.tries) == 1


async def test_the_outcome_may_come_together_with_the_cancellation(
    perform: ScriptedPerform,
) -> None:
    """
    Cancelled when it has just been told, a caller is cancelled, and that is all.
    """
    for failure in (None, BUSY, NO, LOST):
        perform.failures.append(failure)
        groups = group_commit_of(perform)
        (task,) = submit(groups, append("evt"), timeout=0)
        await perform.begun()
        perform.release()
        # It runs between the last of the try and the caller's next turn.
        await asyncio.sleep(0)
        task.cancel()
        async with within(5):
            await asyncio.wait({task})
            await groups.aclose()

        assert task.cancelled()


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("failure", [None, BUSY, NO, LOST])
async def test_a_cancellation_may_come_at_any_turn(
    turn: int, failure: StorageError | None
) -> None:
    """
    Stored or not, the caller hears of nothing but its cancellation; nobody is kept.
    """
    perform = ScriptedPerform()
    perform.failures.extend([failure, failure])
    groups = group_commit_of(perform)
    tasks = submit(groups, *named(3))
    await turns(turn)
    tasks[1].cancel()
    async with within(5):
        await asyncio.wait(tasks)
        await groups.aclose()
        await groups.submit(append("last"), 30)

    assert tasks[1].cancelled() or tasks[1].result()
    assert perform.stored[-1] == "last"
    assert len(perform.stored) == len(set(perform.stored))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_timeout_bounds_the_wait_for_an_outcome(
    perform: ScriptedPerform,
) -> None:
    """
    The cancellation goes on then; closing still waits for the rest.
    """
    groups = group_commit_of(perform)
    (task,) = submit(groups, append("evt"), timeout=0.2)
    await perform.begun()
    task.cancel()
    async with within(5):
        await asyncio.wait({task})
    assert task.cancelled()
    closing = asyncio.create_task(groups.aclose())
    await turns()
    assert not closing.done()
    perform.release()
    async with within(5):
        await closing

    assert perform.stored == ["evt"]


async def test_a_timeout_strikes_when_the_outcome_is_known(
    perform: ScriptedPerform,
) -> None:
    """
    ``asyncio.timeout`` around an operation raises TimeoutError, not what it wrapped.
    """
    groups = group_commit_of(perform)
    asyncio.get_running_loop().call_later(0.05, perform.release)
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await groups.submit(append("evt"), 30)

    assert perform.stored == ["evt"]


async def test_a_cancelled_caller_is_not_tried_again(perform: ScriptedPerform) -> None:
    """
    What surely was not committed is dropped; the others of its group go on.
    """
    perform.failures.append(BUSY)
    groups, operations = group_commit_of(perform), named(3)
    tasks = submit(groups, *operations)
    await perform.begun()
    assert not await cancel(tasks[1])
    perform.release()
    await perform.begun()
    assert tasks[1].cancelled()
    perform.release()
    await asyncio.gather(tasks[0], tasks[2])

    assert perform.tries[1] == names(operations[0], operations[2])


async def test_between_two_tries_a_caller_can_withdraw(
    perform: ScriptedPerform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While nothing was committed, the pause is a good time to leave.
    """
    monkeypatch.setattr(retries, "pause_after", pause_of(0.05))
    perform.failures.append(BUSY)
    groups, operations = group_commit_of(perform), named(2)
    tasks = submit(groups, *operations)
    await perform.begun()
    perform.release(2)
    await turns()
    assert await cancel(tasks[0])
    await tasks[1]

    assert perform.tries == [names(*operations), names(operations[1])]


@pytest.mark.parametrize("is_early", [True, False])
async def test_an_unknown_commit_is_found_out_for_a_cancelled_caller(
    perform: ScriptedPerform, monkeypatch: pytest.MonkeyPatch, *, is_early: bool
) -> None:
    """
    Cancelled during the try that got lost or after it, it waits for the repetition.
    """
    monkeypatch.setattr(retries, "pause_after", pause_of(0.02))
    perform.failures.append(LOST)
    groups = group_commit_of(perform)
    (task,) = submit(groups, append("evt"))
    await perform.begun()
    if is_early:
        task.cancel()
    perform.release()
    await turns()
    assert not await cancel(task)
    await perform.begun()
    assert not task.done()
    perform.release()
    async with within(5):
        await asyncio.wait({task})

    assert task.cancelled()
    assert perform.stored == ["evt"]


async def test_who_waits_for_the_other_half_is_withdrawn_or_waits(
    perform: ScriptedPerform,
) -> None:
    """
    Cancelled when its group is being halved, a caller ends once its fate is known.
    """
    perform.failures.append(NO)
    groups, operations = group_commit_of(perform), named(2)
    tasks = submit(groups, *operations)
    await perform.begun()
    perform.release()
    await perform.begun()
    tasks[1].cancel()
    await turns()
    was_withdrawn = tasks[1].done()
    perform.release(2)
    async with within(5):
        await asyncio.wait(tasks)
        await groups.aclose()

    assert not tasks[0].cancelled()
    assert tasks[1].cancelled()
    if was_withdrawn:
        assert perform.stored == names(operations[0])
