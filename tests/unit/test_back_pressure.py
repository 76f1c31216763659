from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.sql.writes import group_commit
from asm_async.sql.writes.admission import AdmissionLimit
from asm_async.sql.writes.group_commit import GroupCommit
from asm_async.sql.writes.operations import Operation, Outcome
from asm_async.testing.factories import make_event
from tests.unit.scripted_perform import (
    ScriptedPerform,
    append,
    group_commit_of,
    name_of,
    named,
    names,
    submit,
    within,
)

MOST = 5


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


@pytest.fixture
def perform() -> ScriptedPerform:
    """
    Give a stand-in whose tries end when the test says so.
    """
    return ScriptedPerform(is_held=True)


@pytest.fixture
def groups(perform: ScriptedPerform, monkeypatch: pytest.MonkeyPatch) -> GroupCommit:
    """
    Give a queue with room for few.
    """
    monkeypatch.setattr(group_commit, "_MAX_WAITING_OPERATIONS", MOST)
    return group_commit_of(perform)


async def test_callers_are_held_back_not_refused(
    groups: GroupCommit, perform: ScriptedPerform
) -> None:
    """
    Of many at once only so many are let in; all are served, first come, first served.
    """
    operations = named(20)
    tasks = submit(groups, *operations)
    await turns()
    assert groups._room.count == MOST
    assert not any(task.done() for task in tasks)
    perform.let_go()
    async with within(5):
        await asyncio.gather(*tasks)

    assert perform.stored == names(*operations)
    assert max(len(group) for group in perform.tries) <= MOST
    assert (groups._room.count, groups._room.weight) == (0, 0)


async def test_nobody_overtakes_those_who_wait_for_room(
    groups: GroupCommit, perform: ScriptedPerform
) -> None:
    """
    Who comes when there is room again stands behind those who were there before.
    """
    operations = named(MOST + 3)
    tasks = submit(groups, *operations[:-1])
    await turns()
    perform.release()
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks += submit(groups, operations[-1])
    perform.let_go()
    async with within(5):
        await asyncio.gather(*tasks)

    assert perform.stored == names(*operations)


async def test_bytes_are_bounded_too(
    perform: ScriptedPerform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    However many are let in at once, their weight passes the bound by one at most.
    """
    weight = append("name").weight
    monkeypatch.setattr(group_commit, "_MAX_WAITING_BYTES", 3 * weight - 1)
    groups = group_commit_of(perform)
    tasks = submit(groups, *named(12))
    for number in range(1, 5):
        await turns()
        assert groups._room.weight <= 3 * weight
        assert sum(task.done() for task in tasks) == 3 * (number - 1)
        perform.release()
    async with within(5):
        await asyncio.gather(*tasks)

    assert [len(group) for group in perform.tries] == [3] * 4


async def test_an_operation_of_any_size_finds_room(
    perform: ScriptedPerform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What alone weighs more than the bounds goes alone.
    """
    monkeypatch.setattr(group_commit, "_MAX_WAITING_BYTES", 10)
    monkeypatch.setattr(group_commit, "_MAX_BYTES", 10)
    perform.let_go()
    async with within(5):
        await asyncio.gather(*submit(group_commit_of(perform), *named(3)))

    assert [len(group) for group in perform.tries] == [1] * 3


async def test_who_waits_for_room_is_withdrawn(
    groups: GroupCommit, perform: ScriptedPerform
) -> None:
    """
    Cancelled before it was let in, an operation never happens; the next one moves up.
    """
    operations = named(MOST + 3)
    tasks = submit(groups, *operations)
    await turns()
    tasks[MOST].cancel()
    await turns()
    assert tasks[MOST].cancelled()
    perform.let_go()
    async with within(5):
        await asyncio.wait(tasks)

    assert perform.stored == names(*operations[:MOST], *operations[MOST + 1 :])


async def test_who_is_let_in_and_cancelled_passes_its_place_on(
    groups: GroupCommit, perform: ScriptedPerform
) -> None:
    """
    Cancelled between being let in and coming in, a caller takes up no room.
    """
    operations = named(3 * MOST)
    tasks = submit(groups, *operations)
    await turns()
    perform.release()
    await perform.begun()
    for _ in range(20):
        if groups._room.count == MOST and tasks[0].done():
            break
        await asyncio.sleep(0)
    for task in tasks[MOST : 2 * MOST]:
        task.cancel()
    perform.let_go()
    async with within(5):
        await asyncio.wait(tasks)

    assert perform.stored[:MOST] == names(*operations[:MOST])
    assert set(perform.stored) >= set(names(*operations[2 * MOST :]))
    assert (groups._room.count, groups._room.weight) == (0, 0)


async def test_room_that_withdrawals_make_is_given_away(
    groups: GroupCommit, perform: ScriptedPerform
) -> None:
    """
    Where all who waited leave, those held back come in, though no group was taken.
    """
    operations = named(MOST + 1)
    tasks = submit(groups, operations[0])
    await perform.begun()
    tasks += submit(groups, *operations[1:])
    await turns()
    for task in tasks[1:MOST]:
        task.cancel()
    await turns()
    perform.let_go()
    async with within(5):
        await asyncio.wait(tasks)
        await groups.submit(append("last"), 30)

    assert perform.stored == [*names(operations[0], operations[MOST]), "last"]


async def test_a_producer_that_never_waits_is_bounded() -> None:
    """
    Of 20,000 appends at once no more than the bound are ever let in.
    """
    most, perform = 0, ScriptedPerform()

    async def watched(ops: Sequence[Operation], deadline: float) -> list[Outcome]:
        nonlocal most
        most = max(most, bounded._room.count)
        return await perform(ops, deadline)

    bounded = group_commit_of(watched)
    operations = named(20_000)
    async with within(20):
        await asyncio.gather(*(bounded.submit(op, 30) for op in operations))

    assert most == group_commit._MAX_WAITING_OPERATIONS
    assert perform.stored == names(*operations)


async def test_a_room_is_left_by_whoever_entered() -> None:
    """
    A cancelled caller's place does not pile up, nor is it taken twice.
    """
    room = AdmissionLimit(1, 100)
    await room.enter(7)
    waiting = [asyncio.create_task(room.enter(9)) for _ in range(3)]
    await turns()
    waiting[0].cancel()
    await turns()
    room.leave(7)
    # It has the place and does not know it yet.
    waiting[1].cancel()
    await asyncio.wait(waiting)

    assert [task.cancelled() for task in waiting] == [True, True, False]
    assert (room.count, room.weight) == (1, 9)
    room.leave(9)
    assert (room.count, room.weight) == (0, 0)


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


@pytest.mark.parametrize("locks_sessions", [False, True])
@pytest.mark.parametrize("seed", range(10))
async def test_no_wake_up_is_lost(
    seed: int, monkeypatch: pytest.MonkeyPatch, *, locks_sessions: bool
) -> None:
    """
    Thousands come, fail, leave and come again at random; none waits for ever.
    """
    chance = random.Random(seed)
    monkeypatch.setattr(group_commit, "pause_after", at_once)
    monkeypatch.setattr(group_commit, "_MAX_WAITING_OPERATIONS", 12)
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
    assert (groups._room.count, groups._room.weight) == (0, 0)
    assert (groups._queue._lanes, groups._queue._held) == ({}, {})
    assert asyncio.all_tasks() == {asyncio.current_task()}
