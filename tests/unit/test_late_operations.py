"""
Operations whose time is over, wherever they are, and those that wait behind them.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.errors import StorageBusyError, StorageUnavailableError
from asm_async.sql.core.deadlines import GRACE_SECONDS
from asm_async.sql.writes.group_commit import GroupCommit
from tests.unit.scripted_perform import (
    TIMEOUT,
    ScriptedPerform,
    ScriptedWriter,
    append,
    named,
    names,
    submit,
    within,
)

LONG_SECONDS = 20

SHORT = 0.3


@pytest.fixture(params=[True, False], ids=["lane", "task"], autouse=True)
def takes_lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """
    Have groups started by callbacks, or all of them by the task that drains.
    """
    monkeypatch.setattr(ScriptedWriter, "takes_lane", request.param)
    return bool(request.param)


async def test_who_waits_in_the_queue_is_told_at_the_deadline() -> None:
    """
    Not when a transaction that is under way has to end: a second later.
    """
    perform = ScriptedPerform(is_held=True)
    groups = GroupCommit(ScriptedWriter(perform), locks_sessions=False)
    (first,) = submit(groups, append("first"), timeout=LONG_SECONDS)
    await perform.begun()
    (second,) = submit(groups, append("second"), timeout=SHORT)
    done, _ = await asyncio.wait({second}, timeout=SHORT + GRACE_SECONDS)

    assert done == {second}
    assert isinstance(await second, StorageBusyError)
    perform.let_go()
    async with within(LONG_SECONDS):
        await first
        await groups.aclose()
    assert perform.stored == ["first"]


async def test_those_behind_a_group_that_does_not_end_are_told_in_time() -> None:
    """
    Of the group the outcome is unknown; whoever has not begun knows that.
    """
    perform = ScriptedPerform(is_held=True)
    writer = ScriptedWriter(perform)
    groups = GroupCommit(writer, locks_sessions=False)
    (first,) = submit(groups, append("first"), timeout=SHORT)
    await perform.begun()
    (second,) = submit(groups, append("second"), timeout=SHORT)
    async with within(LONG_SECONDS):
        outcomes = await asyncio.gather(first, second)

    stuck, waiting = outcomes
    assert isinstance(stuck, StorageUnavailableError)
    assert stuck.outcome_unknown
    assert isinstance(waiting, StorageBusyError)
    assert not waiting.outcome_unknown
    assert writer.interrupted == 1
    perform.let_go()
    async with within(LONG_SECONDS):
        await groups.aclose()
    assert perform.stored == ["first"]


async def test_each_of_many_that_wait_has_a_deadline_of_its_own() -> None:
    """
    A short one behind long ones need not wait for theirs.
    """
    perform = ScriptedPerform(is_held=True)
    groups = GroupCommit(ScriptedWriter(perform), locks_sessions=False)
    first = submit(groups, append("first"), timeout=LONG_SECONDS)
    await perform.begun()
    long = submit(groups, *named(5), timeout=LONG_SECONDS)
    short = submit(groups, *named(5, first=5), timeout=SHORT)
    async with within(LONG_SECONDS / 2):
        outcomes = await asyncio.gather(*short)

    assert {type(outcome) for outcome in outcomes} == {StorageBusyError}
    assert not any(task.done() for task in (*first, *long))
    perform.let_go()
    async with within(LONG_SECONDS):
        await asyncio.gather(*first, *long)
    assert perform.stored == ["first", *names(*named(5))]


async def test_other_sessions_go_on_beside_a_slow_group() -> None:
    """
    On connections that are tested first; its own session waits, and keeps its order.
    """
    perform = ScriptedPerform(is_held=True)
    writer = ScriptedWriter(perform)
    groups = GroupCommit(writer, locks_sessions=True)
    (slow,) = submit(groups, append("slow"), timeout=LONG_SECONDS)
    await perform.begun()
    perform._is_held = False
    (behind,) = submit(groups, append("behind"), timeout=LONG_SECONDS)
    (other,) = submit(groups, append("other", "ses_2"), timeout=LONG_SECONDS)
    async with within(TIMEOUT * 3):
        await other

    assert not slow.done()
    assert not behind.done()
    assert writer.tested == 1
    perform.release()
    async with within(LONG_SECONDS):
        await asyncio.gather(slow, behind)
        await groups.aclose()
    assert perform.stored == ["other", "slow", "behind"]
