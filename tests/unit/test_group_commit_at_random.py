"""
Group commit under whatever may happen, at random.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.sql.writes import group_commit, retries
from asm_async.sql.writes.operations import Operation, Outcome
from asm_async.testing.factories import make_event
from tests.unit.scripted_perform import (
    ScriptedWriter,
    append,
    group_commit_of,
    name_of,
    submit,
    within,
)


async def turns(number: int = 10) -> None:
    """
    Let all others have some turns.
    """
    for _ in range(number):
        await asyncio.sleep(0)


def at_once(_: int) -> float:
    """
    Make no pause.
    """
    return 0


class Weather:
    """
    A database in which anything may happen, at random, sooner or later.
    """

    FAILURES: tuple[Callable[[], StorageError], ...] = (
        lambda: StorageBusyError("busy"),
        lambda: StorageUnavailableError("lost", outcome_unknown=True),
        lambda: StorageUnavailableError("down"),
        lambda: StorageError("no"),
    )

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.stored: dict[str, int] = {}

    async def __call__(
        self, operations: Sequence[Operation], _: float
    ) -> list[Outcome]:
        """
        Take some turns of the loop, then store all, or fail, or both.
        """
        await turns(self.chance.choice((0, 1, 2, 7)))
        fails = self.chance.random() < 0.3
        failure = self.chance.choice(self.FAILURES)()
        if not fails or (failure.outcome_unknown and self.chance.random() < 0.5):
            for operation in operations:
                self.stored.setdefault(name_of(operation), len(self.stored))
        if fails:
            raise failure
        await turns(self.chance.choice((0, 1)))
        return [[make_event(id=name_of(operation))] for operation in operations]


@pytest.mark.parametrize("takes_lane", [True, False])
@pytest.mark.parametrize("locks_sessions", [False, True])
@pytest.mark.parametrize("seed", range(10))
async def test_no_wake_up_is_lost(
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    locks_sessions: bool,
    takes_lane: bool,
) -> None:
    """
    Thousands come, fail, leave and come again at random; none waits for ever.
    """
    chance = random.Random(seed)
    monkeypatch.setattr(retries, "pause_after", at_once)
    monkeypatch.setattr(ScriptedWriter, "takes_lane", takes_lane)
    monkeypatch.setattr(group_commit, "_MAX_OPERATIONS", chance.choice((1, 4, 8, 20)))
    weather = Weather(chance)
    groups = group_commit_of(weather, locks_sessions=locks_sessions)
    told, left, refused = list[str](), list[str](), list[StorageError]()

    async def agent(number: int) -> None:
        for step in range(40):
            name = f"{number}-{step:03}"
            (task,) = submit(groups, append(name, f"ses_{number % 5}"))
            if chance.random() < 0.2:
                await turns(chance.randrange(12))
                task.cancel()
            await asyncio.wait({task})
            if task.cancelled():
                left.append(name)
            elif isinstance(outcome := task.result(), StorageError):
                refused.append(outcome)
            else:
                told.append(name)
            await turns(chance.choice((0, 0, 1, 5)))

    async with within(20):
        await asyncio.gather(*(agent(number) for number in range(32)))
        await groups.aclose()

    assert len(told) + len(left) + len(refused) == 32 * 40
    assert set(told) <= weather.stored.keys()
    assert all(not error.retryable for error in refused)
    assert (groups._queue._partitions, groups._queue._held) == ({}, {})
    assert asyncio.all_tasks() == {asyncio.current_task()}
