"""
Statements that the server cancels since they take too long for it (57014).
"""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from asm_async.errors import StorageBusyError
from asm_async.sql.core.deadlines import MAX_CUT_SHORT
from tests.unit.scripted_perform import (
    ScriptedPerform,
    append,
    group_commit_of,
    named,
    names,
    submit,
    within,
)

LONG_SECONDS = 20


def cut_short() -> StorageBusyError:
    """
    Make what a statement that was cancelled is raised as.
    """
    error = StorageBusyError("it failed; the server's statement_timeout is shorter")
    error.__cause__ = asyncpg.PostgresError.new({"C": "57014", "M": "cancelled"})
    return error


@pytest.mark.parametrize("locks_sessions", [False, True])
async def test_what_is_cut_short_each_time_is_soon_given_up(
    *, locks_sessions: bool
) -> None:
    """
    After three tries, long before the timeout: another would be cut short as well.
    """
    perform = ScriptedPerform()
    perform.poison["long"] = cut_short()
    groups = group_commit_of(perform, locks_sessions=locks_sessions)
    (long,) = submit(groups, append("long"), timeout=600)
    async with within(LONG_SECONDS):
        outcome = await long
        await groups.aclose()

    assert isinstance(outcome, StorageBusyError)
    assert not outcome.outcome_unknown
    assert perform.tries == [["long"]] * (1 + MAX_CUT_SHORT)


@pytest.mark.parametrize("locks_sessions", [False, True])
async def test_a_group_that_is_cut_short_is_halved(*, locks_sessions: bool) -> None:
    """
    What took too long fails alone; others of its session are stored, in their order.
    """
    perform = ScriptedPerform()
    perform.poison["long"] = cut_short()
    groups = group_commit_of(perform, locks_sessions=locks_sessions)
    before, after = named(3), named(4, first=3)
    tasks = submit(groups, *before, append("long"), *after, timeout=600)
    async with within(LONG_SECONDS):
        outcomes = await asyncio.gather(*tasks)
        await groups.aclose()

    failed = [isinstance(outcome, StorageBusyError) for outcome in outcomes]
    assert failed == [False] * 3 + [True] + [False] * 4
    assert perform.stored == names(*before, *after)
