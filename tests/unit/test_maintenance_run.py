"""
How batches become a report, and a policy's ages moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from asm_async.fronts.health_findings import Finding, bounded, issue
from asm_async.fronts.maintenance import Batch, Batches, MaintenanceRun, do_all
from asm_async.fronts.retention import Cutoffs, sessions_per_batch, utc_now
from asm_async.ports.maintenance import MAX_ISSUES_PER_KIND
from asm_async.values.fields import MAX_COUNT
from asm_async.values.maintenance import HealthIssueKind, MaintenanceStep
from asm_async.values.retention import RetentionPolicy

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
STEP = MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS


async def batches(done: Sequence[Batch], error: Exception | None = None) -> Batches:
    """
    Do some batches, and then fail.
    """
    for batch in done:
        yield batch
    if error is not None:
        raise error


def test_ages_are_counted_back_from_now() -> None:
    """
    A day has 24 hours; without a limit there is no moment.
    """
    policy = RetentionPolicy(max_session_age_days=3, hard_delete_after_days=None)

    assert Cutoffs.of(policy, NOW) == Cutoffs(
        active=NOW - timedelta(hours=72),
        completed=NOW - timedelta(days=90),
        idle=None,
        deleted=None,
    )


def test_no_age_is_too_great() -> None:
    """
    Before all time nothing was.
    """
    for days in (1_000_000, MAX_COUNT):
        policy = RetentionPolicy(max_session_age_days=days)
        assert Cutoffs.of(policy, NOW).active == datetime.min.replace(tzinfo=UTC)


def test_a_batch_locks_a_thousand_sessions_at_most() -> None:
    """
    Whatever the policy says.
    """
    assert sessions_per_batch(RetentionPolicy(batch_size=7)) == 7
    assert sessions_per_batch(RetentionPolicy(batch_size=MAX_COUNT)) == 1_000


def test_the_clock_gives_the_time_in_utc() -> None:
    """
    As values do.
    """
    assert utc_now().tzinfo is UTC


async def test_all_batches_are_added_up() -> None:
    """
    What they did together is what counts.
    """
    assert await do_all(batches([Batch(2), Batch(0), Batch(3)])) == 5
    assert await do_all(batches([])) == 0


async def test_failures_are_raised_in_the_end() -> None:
    """
    All of them, after the last batch.
    """
    first, second = OSError("1"), OSError("2")
    done = [Batch(1, [first]), Batch(1), Batch(0, [second])]
    with pytest.raises(ExceptionGroup) as caught:
        await do_all(batches(done))

    assert caught.value.exceptions == (first, second)


async def test_an_error_carries_the_failures_before_it() -> None:
    """
    It is raised as it is, with a note for each.
    """
    error = LookupError("the end")
    with pytest.raises(LookupError) as caught:
        await do_all(batches([Batch(1, [OSError("1")])], error))

    assert caught.value is error
    assert caught.value.__notes__ == ["and before that: OSError('1')"]


async def test_a_run_keeps_failures_and_the_error_after_them() -> None:
    """
    In the order in which they came.
    """
    run = MaintenanceRun(None, None)
    failure, error = OSError("1"), LookupError("the end")
    await run.take(STEP, batches([Batch(4, [failure]), Batch(2)], error))
    await run.take(MaintenanceStep.PRUNE_EVENTS, batches([Batch(5)]))

    assert run.report.errors == {STEP: (failure, error)}
    assert run.report.sessions_hard_deleted == 6
    assert run.report.events_pruned == 5


async def test_what_stopped_stays_stopped() -> None:
    """
    It is not asked again, and no later step is begun.
    """
    answers = iter([False, True])
    run = MaintenanceRun(None, lambda: next(answers))
    for step in MaintenanceStep:
        await run.take(step, batches([Batch(1), Batch(1)]))

    assert run.report.sessions_soft_deleted == 1
    assert run.report.sessions_hard_deleted == 0


def test_an_issue_is_made_of_any_subject() -> None:
    """
    A damaged id may be too long, of another type, or hold what no id may.
    """
    kind = HealthIssueKind.ORPHANED_EVENTS
    subjects = [issue(kind, subject, "").subject for subject in ("a", "\0", 7, "")]

    assert subjects == ["a", "'\\x00'", "7", "''"]
    assert len(issue(kind, "x" * 999, "").subject) == 255


def test_issues_stand_by_kind_and_are_bounded() -> None:
    """
    Findings of one kind are put together before they are cut.
    """
    runs, tags = HealthIssueKind.ORPHANED_RUNS, HealthIssueKind.ORPHANED_TAGS
    many = tuple((f"ses_{number}", "lost") for number in range(60))
    found = bounded(
        [Finding(tags, many, 60), Finding(runs, many, 60), Finding(tags, many, 70)]
    )

    assert [one.kind for one in found] == [runs] * 60 + [tags] * (
        MAX_ISSUES_PER_KIND + 1
    )
    assert found[-1].subject == "others"
    assert found[-1].message == "there are 30 more issues of this kind"
