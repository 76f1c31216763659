from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar

import pytest

from asm_async.errors import StorageBusyError, StoreClosedError
from asm_async.sql.runtime.shared_state import SharedTasks


class Work:
    """
    Something that runs until it is cancelled, and counts how often.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def run(self) -> None:
        """
        Run.
        """
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended += 1


async def test_a_task_lives_from_the_first_user_to_the_last() -> None:
    """
    However many need it, it runs once, and it has ended when the last one has left.
    """
    tasks, work = SharedTasks(), Work()
    for _ in range(3):
        tasks.join("work", work.run)
    await asyncio.sleep(0)
    for _ in range(2):
        await tasks.leave("work")

    assert (work.begun, work.ended) == (1, 0)
    await tasks.leave("work")
    assert (work.begun, work.ended) == (1, 1)


async def test_a_task_runs_in_nobodys_context() -> None:
    """
    What who has begun it has set, such as where to read from, holds for nobody else.
    """
    ours: ContextVar[str] = ContextVar("ours", default="nobody")
    ours.set("the first")
    seen: list[str] = []

    async def look() -> None:
        seen.append(ours.get())

    tasks = SharedTasks()
    tasks.join("look", look)
    await asyncio.sleep(0)
    await tasks.leave("look")
    assert seen == ["nobody"]


async def test_a_task_begins_again() -> None:
    """
    Whoever needs it after the last one has left gets another.
    """
    tasks, work = SharedTasks(), Work()
    for round_ in range(1, 4):
        tasks.join("work", work.run)
        await asyncio.sleep(0)
        await tasks.leave("work")

        assert (work.begun, work.ended) == (round_, round_)


async def test_tasks_of_other_names_are_left_alone() -> None:
    """
    Each name has its own task and its own users.
    """
    tasks, one, other = SharedTasks(), Work(), Work()
    tasks.join("one", one.run)
    tasks.join("other", other.run)
    await asyncio.sleep(0)
    await tasks.leave("one")

    assert (one.ended, other.ended) == (1, 0)
    await tasks.leave("other")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_that_ended_by_itself_can_be_left() -> None:
    """
    Where there is nothing to hear, nothing runs on.
    """

    async def nothing() -> None:
        pass

    tasks = SharedTasks()
    tasks.join("nothing", nothing)
    await asyncio.sleep(0)
    await tasks.leave("nothing")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_that_fails_is_begun_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    Whatever it fails by; it is said once, and then at DEBUG.
    """
    caplog.set_level(logging.DEBUG, "asm_async.sql.runtime.shared_state")
    failures = [StorageBusyError("locked"), StoreClosedError("closed"), KeyError("x")]
    left, work, begun = list(failures), Work(), asyncio.Event()

    async def fail() -> None:
        if left:
            raise left.pop()
        begun.set()
        await work.run()

    tasks = SharedTasks()
    tasks.join("work", fail)
    async with asyncio.timeout(30):
        await begun.wait()
    await asyncio.sleep(0)
    await tasks.leave("work")
    assert (work.begun, work.ended) == (1, 1)
    levels = [r.levelname for r in caplog.records if "begun again" in r.message]
    assert levels == ["WARNING", "DEBUG", "DEBUG"]


async def test_a_task_that_was_cancelled_by_others_is_begun_by_who_comes_next() -> None:
    """
    It is gone, whoever still counts on it.
    """
    tasks, work = SharedTasks(), Work()
    tasks.join("work", work.run)
    await asyncio.sleep(0)
    (task,) = asyncio.all_tasks() - {asyncio.current_task()}
    task.cancel()
    await asyncio.wait({task})
    tasks.join("work", work.run)
    await asyncio.sleep(0)
    assert (work.begun, work.ended) == (2, 1)
    await tasks.leave("work")
    await tasks.leave("work")
    assert work.ended == 2


async def test_who_is_cancelled_while_leaving_has_left_all() -> None:
    """
    Also the second of two tasks ends, though nobody waits for it any more.
    """
    is_released = asyncio.Event()

    async def end_late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await is_released.wait()

    tasks = SharedTasks()
    tasks.join("one", end_late)
    tasks.join("other", end_late)
    await asyncio.sleep(0)
    leaving = asyncio.create_task(tasks.leave("one", "other"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    is_released.set()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(others, timeout=30)
    assert asyncio.all_tasks() == {asyncio.current_task()}
