"""
What is left when an event loop ends before something has begun.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Sequence

import pytest

from asm_async.sql import create_engine
from asm_async.sql.dialects import dialect_of
from asm_async.sql.runtime.announcer import Announcer
from asm_async.sql.writes.append_plan import AppendEvents
from asm_async.sql.writes.operations import Outcome
from asm_async.testing.factories import make_event
from tests.unit.scripted_perform import group_commit_of

MAX_SECONDS = 20
NO_JSON = ("{}", "{}")


async def perform(operations: Sequence[object], _deadline: float) -> list[Outcome]:
    """
    Append what there is.
    """
    appends = [found for found in operations if isinstance(found, AppendEvents)]
    return [list(operation.events) for operation in appends]


async def end_of_the_loop() -> None:
    """
    Cancel all other tasks, as ``asyncio.run`` does in the end.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.wait(others)


async def test_a_group_that_never_began_keeps_nobody_waiting() -> None:
    """
    A store whose loop ends as an operation is submitted can be closed, and go on.
    """
    group = group_commit_of(perform)
    submitting = asyncio.create_task(
        group.submit(AppendEvents((make_event(),), None, (NO_JSON,)), MAX_SECONDS)
    )
    # It has submitted, and the task that performs has not run yet.
    await asyncio.sleep(0)
    await end_of_the_loop()
    assert submitting.cancelled()

    async with asyncio.timeout(MAX_SECONDS):
        await group.aclose()
        append = AppendEvents((make_event(id="evt_2"),), None, (NO_JSON,))
        assert await group.submit(append, MAX_SECONDS) == list(append.events)
        await group.aclose()


async def test_an_announcement_that_never_began_keeps_nobody_waiting() -> None:
    """
    Whoever waits for all to be announced when the loop has ended does not wait.
    """
    engine = create_engine("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    announcer = Announcer(engine, dialect_of(engine))
    announcer.announce(["ses_1"])
    await end_of_the_loop()

    async with asyncio.timeout(MAX_SECONDS):
        await announcer.settle()
    await engine.dispose()


def test_an_announcement_that_a_closed_loop_leaves_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    As of a program that has awaited all its calls, and closes its loop.
    """
    # A record of what became of the first would hold on to its announcer.
    caplog.set_level(logging.CRITICAL, "asm_async")
    engine = create_engine("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    loop, told = asyncio.new_event_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))

    async def announce() -> None:
        announcer = Announcer(engine, dialect_of(engine))
        announcer.announce(["ses_1"])
        await announcer.settle()
        # The next waits a moment, and the loop ends before.
        announcer.announce(["ses_2"])
        await asyncio.sleep(0)

    loop.run_until_complete(announce())
    loop.close()
    del loop
    gc.collect()

    assert told == []
