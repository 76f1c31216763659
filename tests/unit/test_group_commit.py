from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from typing import Any

import pytest

from asm_async.errors import (
    RevisionConflictError,
    SequenceConflictError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
)
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.sql.core.deadlines import GRACE_SECONDS
from asm_async.sql.writes import group_commit, retries
from asm_async.sql.writes.group_commit import GroupCommit
from asm_async.sql.writes.operations import Commit, Outcome
from asm_async.sql.writes.queue import LOOK_INTERVAL
from asm_async.testing.factories import make_session
from asm_async.values.event import Event
from tests.unit.scripted_perform import (
    TIMEOUT,
    ScriptedPerform,
    ScriptedWriter,
    append,
    group_commit_of,
    named,
    names,
    submit,
    within,
)


@pytest.fixture(params=[True, False], ids=["lane", "task"], autouse=True)
def takes_lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """
    Have groups started by callbacks, or all of them by the task that drains.
    """
    monkeypatch.setattr(ScriptedWriter, "takes_lane", request.param)
    return bool(request.param)


def saving_session(expected: Expectations) -> Commit:
    """
    Make the operation that saves a session.
    """
    changes = ChangesSnapshot(session_id="ses_1", session=make_session())
    return Commit(changes, expected, (), ())


def refused_by_a_constraint() -> StorageError:
    """
    Make the error of a row that someone else inserted first.
    """
    cause = sqlite3.IntegrityError("UNIQUE constraint failed")
    cause.sqlite_errorname = "SQLITE_CONSTRAINT_UNIQUE"
    error = StorageError("UNIQUE constraint failed")
    error.__cause__ = cause
    return error


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """
    Do without pauses between tries, but note after how many failures they came.
    """
    noted: list[int] = []

    def pause_after(failures: int) -> float:
        noted.append(failures)
        return 0

    monkeypatch.setattr(retries, "pause_after", pause_after)
    return noted


async def test_an_idle_engine_adds_no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An operation that finds none under way starts at once: one timer watches them all.
    """
    perform, timers = ScriptedPerform(), list[float]()
    groups, loop = group_commit_of(perform), asyncio.get_running_loop()
    call_at_in_earnest, start = loop.call_at, loop.time()

    def call_at(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at_in_earnest(when, *args, **options)

    monkeypatch.setattr(loop, "call_at", call_at)
    for operation in named(50):
        await groups.submit(operation, TIMEOUT)

    assert perform.tries == [[f"ses_1-{n}"] for n in range(50)]
    assert len(timers) <= 1 + (loop.time() - start) / LOOK_INTERVAL


async def test_what_is_interrupted_late_says_itself_what_became_of_it() -> None:
    """
    Though the loop stood still, and it is time to tell the caller, too.
    """
    perform = ScriptedPerform(is_held=True)
    perform.failures.append(StorageUnavailableError("broken off in time"))
    writer = ScriptedWriter(perform)
    writer.on_interrupt = perform.release
    (task,) = submit(
        GroupCommit(writer, locks_sessions=False), append("evt"), timeout=0
    )
    await perform.begun()
    time.sleep(GRACE_SECONDS + 2 * LOOK_INTERVAL)  # noqa: ASYNC251 - it stands still
    error = await task

    assert isinstance(error, StorageUnavailableError)
    assert str(error) == "broken off in time"
    assert not error.outcome_unknown


async def test_those_that_arrive_meanwhile_form_the_next_group() -> None:
    """
    Thirty-two callers at once cost two transactions at most, and nobody overtakes.
    """
    perform = ScriptedPerform(is_held=True)
    groups = group_commit_of(perform)
    first, *others = named(32)
    tasks = submit(groups, first)
    await perform.begun()
    tasks += submit(groups, *others)
    perform.release(2)
    outcomes = await asyncio.gather(*tasks)

    assert perform.tries == [names(first), names(*others)]
    assert [
        [event.id for event in outcome if isinstance(event, Event)]
        for outcome in outcomes
        if isinstance(outcome, list)
    ] == [[name] for name in names(first, *others)]


async def test_each_caller_gets_its_own_outcome() -> None:
    """
    A refusal is one member's outcome, handed back rather than raised.
    """
    refusal = SequenceConflictError("ses_1", 0, 1)

    async def perform(operations: Any, _: float) -> list[Outcome]:
        return [refusal if n == 1 else [] for n, _ in enumerate(operations)]

    outcomes = await asyncio.gather(*submit(group_commit_of(perform), *named(3)))

    assert outcomes == [[], refusal, []]


async def test_a_group_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It ends at a number of operations, or once it weighs too much.
    """
    monkeypatch.setattr(group_commit, "_MAX_OPERATIONS", 8)
    monkeypatch.setattr(group_commit, "_MAX_BYTES", 5 * append("name").size)
    perform = ScriptedPerform()
    await asyncio.gather(*submit(group_commit_of(perform), *named(12)))
    monkeypatch.setattr(group_commit, "_MAX_BYTES", 2**20)
    await asyncio.gather(*submit(group_commit_of(perform), *named(12)))

    assert [len(group) for group in perform.tries] == [5, 5, 2, 8, 4]


async def test_a_busy_session_delays_another_by_one_group() -> None:
    """
    Two thousand waiting appends do not hold up another session's one; all keep order.
    """
    perform = ScriptedPerform(is_held=True)
    groups = group_commit_of(perform)
    busy, alone = named(2_000), append("alone", "ses_2")
    tasks = submit(groups, *busy)
    await perform.begun()
    tasks += submit(groups, alone)
    perform.let_go()
    await asyncio.gather(*tasks)

    assert "alone" in perform.tries[1]
    assert [name for name in perform.stored if name != "alone"] == names(*busy)


async def test_a_transient_failure_is_tried_again_as_a_whole(pauses: list[int]) -> None:
    """
    The group keeps its order and goes first; what came meanwhile joins it.
    """
    perform = ScriptedPerform(is_held=True)
    perform.failures.extend([StorageUnavailableError("down"), StorageBusyError("busy")])
    groups, operations = group_commit_of(perform), named(4)
    tasks = submit(groups, *operations[:2])
    await perform.begun()
    tasks += submit(groups, *operations[2:])
    perform.let_go()
    await asyncio.gather(*tasks)

    assert perform.tries == [names(*operations[:2])] + [names(*operations)] * 2
    assert pauses == [1, 2]


async def test_pauses_are_counted_from_the_last_success(pauses: list[int]) -> None:
    """
    A success resets what the failures before it have built up.
    """
    perform, busy = ScriptedPerform(), StorageBusyError("busy")
    groups = group_commit_of(perform)
    for _ in range(3):
        perform.failures.extend([busy, busy, None])
        await groups.submit(append("name"), TIMEOUT)

    assert pauses == [1, 2] * 3


@pytest.mark.usefixtures("pauses")
async def test_only_whose_timeout_has_run_out_fails() -> None:
    """
    It gets an error of the failure's class; the others of its group are tried again.
    """
    perform = ScriptedPerform()
    cause = OSError("nobody there")
    failure = StorageUnavailableError("down")
    failure.__cause__ = cause
    perform.failures.append(failure)
    groups = group_commit_of(perform)
    (hasty,) = submit(groups, append("hasty"), timeout=0)
    (patient,) = submit(groups, append("patient"))
    await patient
    with pytest.raises(StorageUnavailableError, match="down") as caught:
        raise await hasty  # type: ignore[misc] # it is an error, as is shown

    assert perform.tries == [["hasty", "patient"], ["patient"]]
    assert perform.deadlines[0] < perform.deadlines[1]
    assert not caught.value.outcome_unknown
    assert caught.value is not failure
    assert caught.value.__cause__ is cause


@pytest.mark.usefixtures("pauses")
async def test_after_an_unknown_commit_only_what_is_repeatable_is_repeated() -> None:
    """
    An append and a save with an expectation go on; a plain save says it is unknown.
    """
    perform = ScriptedPerform()
    perform.failures.append(StorageUnavailableError("lost", outcome_unknown=True))
    plain, expecting = (
        saving_session(Expectations(expected_revision=n)) for n in (None, 3)
    )
    outcomes = await asyncio.gather(
        *submit(group_commit_of(perform), append("evt"), plain, expecting)
    )

    assert perform.tries[1:] == [["evt", "Commit"]]
    error = outcomes[1]
    assert isinstance(error, StorageUnavailableError)
    assert error.outcome_unknown


@pytest.mark.usefixtures("pauses")
async def test_what_was_unknown_once_stays_unknown() -> None:
    """
    A later try that surely failed does not tell what the first one did.
    """
    perform = ScriptedPerform()
    lost = StorageUnavailableError("lost", outcome_unknown=True)
    perform.failures.extend([lost, StorageError("no")])
    error = await group_commit_of(perform).submit(append("evt"), TIMEOUT)

    assert type(error) is StorageError
    assert error.outcome_unknown


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("kind", [StorageError, StorageUnavailableError])
@pytest.mark.parametrize(
    ("actual", "is_unknown"), [(0, True), (1, False), (4, False), (5, True), (9, True)]
)
async def test_a_save_that_others_overtook_is_unknown_for_its_first_reason(
    kind: type[StorageError], actual: int, *, is_unknown: bool
) -> None:
    """
    Where another stands at the next revision, or before it, nothing was committed.

    Where nothing is stored any more, it may have been, and then removed.
    """
    perform = ScriptedPerform()
    lost = kind("the disk failed", outcome_unknown=True)
    perform.failures.append(lost)
    refusal = RevisionConflictError("session 'ses_1'", 3, actual)
    perform.refusals["Commit"] = refusal
    saving = saving_session(Expectations(expected_revision=3))
    group = group_commit_of(perform)
    error, _ = await asyncio.gather(*submit(group, saving, append("evt")))

    if is_unknown:
        assert isinstance(error, StorageError)
        assert type(error) is kind
        assert error.outcome_unknown
        assert str(lost.args[0]) in str(error)
        assert str(refusal) in str(error)
    else:
        assert error is refusal


async def test_one_of_a_hundred_is_poisoned(pauses: list[int]) -> None:
    """
    Halved until it stands alone, the culprit fails; the other 99 are stored in order.
    """
    for number in (0, 37, 99):
        operations = named(100)
        culprit, perform = names(operations[number]), ScriptedPerform()
        perform.poison[culprit[0]] = StorageError("poisoned")
        outcomes = await asyncio.gather(*submit(group_commit_of(perform), *operations))

        failed = [n for n, o in enumerate(outcomes) if isinstance(o, StorageError)]
        assert failed == [number]
        expected = [name for name in names(*operations) if name not in culprit]
        assert perform.stored == expected
        assert len(perform.tries) <= 15
    assert pauses == []


@pytest.mark.usefixtures("pauses")
async def test_halves_keep_their_order() -> None:
    """
    One half that must be tried again is not overtaken by the other.
    """
    for failures in (
        [StorageError("no"), StorageBusyError("busy")],
        [StorageError("no"), StorageError("no"), StorageBusyError("busy")],
        [StorageError("no"), None, StorageBusyError("busy")],
    ):
        perform, operations = ScriptedPerform(), named(8)
        perform.failures.extend(failures)
        await asyncio.gather(*submit(group_commit_of(perform), *operations))

        assert perform.stored == names(*operations)


@pytest.mark.usefixtures("pauses")
async def test_everyone_poisoned_hears_of_their_own_error() -> None:
    """
    Where all fail, each gets the error of its own operation.
    """
    perform = ScriptedPerform()
    for name in names(*named(9)):
        perform.poison[name] = StorageError(name)
    outcomes = await asyncio.gather(*submit(group_commit_of(perform), *named(9)))

    assert [str(outcome) for outcome in outcomes] == names(*named(9))


async def test_a_race_is_tried_again_and_then_a_culprit(pauses: list[int]) -> None:
    """
    A row that someone else inserted first is there the next time; not so for ever.
    """
    perform = ScriptedPerform()
    perform.failures.extend([refused_by_a_constraint()] * 3)
    won = await group_commit_of(perform).submit(append("evt"), TIMEOUT)
    perform.failures.extend([refused_by_a_constraint()] * 4)
    lost = await group_commit_of(perform).submit(append("evt"), TIMEOUT)

    assert isinstance(won, list)
    assert isinstance(lost, StorageError)
    assert pauses == [1, 2, 3] * 2


async def test_other_failures_do_not_use_up_the_tries_of_a_race(
    pauses: list[int],
) -> None:
    """
    A race after a long time of trouble is tried again all the same.
    """
    perform = ScriptedPerform()
    perform.failures.extend([StorageBusyError("busy")] * 5)
    perform.failures.append(refused_by_a_constraint())
    outcome = await group_commit_of(perform).submit(append("evt"), TIMEOUT)

    assert isinstance(outcome, list)
    assert len(pauses) == 6


@pytest.mark.usefixtures("pauses")
async def test_a_fault_of_the_code_reaches_its_callers() -> None:
    """
    What is no error of the database's is raised as it is, and the queue goes on.
    """
    perform = ScriptedPerform(is_held=True)
    perform.failures.append(ZeroDivisionError())
    groups, operations = group_commit_of(perform), named(4)
    broken = submit(groups, *operations[:2])
    await perform.begun()
    sound = submit(groups, *operations[2:])
    perform.let_go()
    async with within(5):
        faults = await asyncio.gather(*broken, return_exceptions=True)
        await asyncio.gather(*sound)

    assert [type(fault) for fault in faults] == [ZeroDivisionError] * 2
    assert perform.stored == names(*operations[2:])


@pytest.mark.parametrize("failure", [None, StorageError("no"), StorageBusyError("no")])
@pytest.mark.usefixtures("pauses")
async def test_closing_waits_for_everything(failure: StorageError | None) -> None:
    """
    Afterwards all callers have been told and no task is left, however it ended.
    """
    perform = ScriptedPerform(is_held=True)
    perform.failures.append(failure)
    groups = group_commit_of(perform)
    tasks = submit(groups, *named(3), timeout=0)
    await perform.begun()
    closing = asyncio.create_task(groups.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    perform.let_go()
    async with within(5):
        await closing
        await asyncio.gather(*tasks)

    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_loop_that_is_shut_down_leaves_nobody_waiting(*, takes_lane: bool) -> None:
    """
    Callers in flight and in the queue all end, and nothing is complained of.
    """
    complaints: list[dict[str, Any]] = []
    tasks: list[asyncio.Task[Outcome]] = []

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        perform = ScriptedPerform(is_held=True)
        groups = group_commit_of(perform)
        tasks.extend(submit(groups, *named(10), timeout=0.5))
        await perform.begun()
        tasks.extend(submit(groups, *named(30, first=10), timeout=0.5))
        await asyncio.sleep(0)
        # The loop cancels all tasks, in any order; the worst one is this.
        if not takes_lane:
            assert groups._drainer is not None
            groups._drainer.cancel()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(leave())

    assert [task for task in tasks if not task.done()] == []
    assert {type(complaint.get("exception")) for complaint in complaints} == set()


async def test_the_lane_is_taken_and_left(*, takes_lane: bool) -> None:
    """
    After a failure a task tries again; when its queue is empty the lane is taken anew.
    """
    perform = ScriptedPerform()
    writer = ScriptedWriter(perform)
    groups = GroupCommit(writer, locks_sessions=False)
    for operation in named(3):
        await groups.submit(operation, TIMEOUT)
    perform.failures.append(StorageUnavailableError("down"))
    await groups.submit(append("again"), TIMEOUT)
    await groups.aclose()
    await groups.submit(append("last"), TIMEOUT)

    assert writer.started == (5 if takes_lane else 0)
    assert len(perform.tries) == 6
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_twenty_thousand_at_once_are_served_in_bounded_groups() -> None:
    """
    A producer that never waits holds what it produced; groups stay within their bound.
    """
    perform, operations = ScriptedPerform(), named(20_000)
    groups = group_commit_of(perform)
    async with within(20):
        await asyncio.gather(*(groups.submit(op, 30) for op in operations))

    assert max(map(len, perform.tries)) == group_commit._MAX_OPERATIONS
    assert perform.stored == names(*operations)


async def test_a_group_that_cannot_even_be_started_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A fault in the fast lane is told to those who wait, and the next group starts.
    """
    perform = ScriptedPerform()
    group = group_commit_of(perform)

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(ScriptedWriter, "start", fail)
        async with within(TIMEOUT):
            with pytest.raises(RuntimeError, match="no"):
                await group.submit(append("evt_1"), TIMEOUT)
    async with within(TIMEOUT):
        await group.submit(append("evt_2"), TIMEOUT)
        await group.aclose()

    assert perform.stored == ["evt_2"]


async def test_nobody_waits_for_a_lock_for_callers_who_were_told() -> None:
    """
    A call that may not be repeated leaves no group, which no task is made for.
    """
    loop, left = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: left.append(context))
    perform = ScriptedPerform()
    perform.failures.append(StorageBusyError("locked", outcome_unknown=True))
    groups = group_commit_of(perform, locks_sessions=True)
    outcome = await groups.submit(saving_session(Expectations()), TIMEOUT)
    async with within(5):
        await groups.aclose()

    assert isinstance(outcome, StorageBusyError)
    gc.collect()
    assert left == []
