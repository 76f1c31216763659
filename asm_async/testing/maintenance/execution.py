"""
All steps of maintenance in one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_events, make_session
from asm_async.testing.maintenance.contract import (
    MaintenanceContract,
    days_ago,
    make_policy,
    save_as_active,
    store_log,
)
from asm_async.values.event import EventType
from asm_async.values.maintenance import MaintenanceReport, MaintenanceStep
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport

__all__ = ["TestExecution", "TestRefusals"]

_POLICY = make_policy(
    max_completed_session_age_days=10,
    max_events_per_session=3,
    hard_delete_after_days=30,
    batch_size=2,
)


async def fill(store: SessionStore, backend: MaintenanceBackend) -> None:
    """
    Store five sessions that are too old, three deleted long ago, and four too long.
    """
    old = {"status": SessionStatus.COMPLETED, "last_activity_at": days_ago(20)}
    earlier = await backend.open_maintenance(now=days_ago(40))
    for number in range(5):
        await save_as_active(store, backend, make_session(id=f"old_{number}", **old))
    for number in range(3):
        await store.save_session(make_session(id=f"deleted_{number}"))
        await earlier.soft_delete_session(f"deleted_{number}")
    for number in range(4):
        await store_log(store, [EventType.MESSAGE_SENT] * 5, id=f"long_{number}")


def counts_of(report: MaintenanceReport) -> tuple[int, int, int]:
    """
    Return what was soft-deleted, removed and pruned.
    """
    return (
        report.sessions_soft_deleted,
        report.sessions_hard_deleted,
        report.events_pruned,
    )


def has_done_something(told: Sequence[MaintenanceReport]) -> bool:
    """
    Return whether a number in the last of some reports is not 0.
    """
    return any(counts_of(report) != (0, 0, 0) for report in told[-1:])


class TestExecution(MaintenanceContract):
    """
    One call does all that a policy asks for, and tells what it did.
    """

    async def test_the_report_has_a_number_for_each_step(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        The next call finds nothing left to do.
        """
        await fill(store, backend)
        report = await maintenance.execute(_POLICY)
        assert counts_of(report) == (5, 3, 8)
        assert report.artifacts_cleaned == report.orphaned_sequences_cleaned == 0
        assert report.errors == {}
        assert report.duration_ms >= 0
        assert counts_of(await maintenance.execute(_POLICY)) == (0, 0, 0)

    async def test_a_policy_that_asks_for_nothing_changes_nothing(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Whatever there is.
        """
        await fill(store, backend)
        before = await backend.gates()
        assert counts_of(await maintenance.execute(make_policy())) == (0, 0, 0)
        assert await backend.gates() == before

    async def test_progress_is_told_after_each_batch(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        The numbers only grow, by a batch at most; the last ones are the report's.
        """
        await fill(store, backend)
        told: list[MaintenanceReport] = []
        report = await maintenance.execute(_POLICY, progress=told.append)
        counts = [counts_of(one) for one in told]
        assert counts == sorted(counts)
        steps = pairwise([0, *(deleted for deleted, _, _ in counts)])
        assert max(after - before for before, after in steps) == 2
        assert counts[-1] == counts_of(report)

    async def test_it_stops_between_batches_and_goes_on_where_it_stopped(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Stopped after each batch in turn, all calls together do it all, once.
        """
        await fill(store, backend)
        reports: list[MaintenanceReport] = []
        while not reports or any(counts_of(reports[-1])):
            told: list[MaintenanceReport] = []
            report = await maintenance.execute(
                _POLICY,
                progress=told.append,
                should_stop=partial(has_done_something, told),
            )
            reports.append(report)
            assert max(counts_of(report)) <= 4
        assert len(reports) >= 3 + 2 + 2
        done = zip(*map(counts_of, reports), strict=True)
        assert [sum(numbers) for numbers in done] == [5, 3, 8]

    async def test_stopped_before_it_began_it_does_nothing(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        It asks once, and no more after it was told to stop.
        """
        await fill(store, backend)
        asked: list[None] = []

        def should_stop() -> bool:
            asked.append(None)
            return True

        report = await maintenance.execute(_POLICY, should_stop=should_stop)
        assert counts_of(report) == (0, 0, 0)
        assert len(asked) == 1

    async def test_a_step_that_fails_keeps_no_other_from_being_taken(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Its errors stand in the report, each by itself, as they were raised.
        """
        await fill(store, backend)
        refusals: list[Exception] = []

        async def archive(export: SessionExport) -> None:
            refusals.append(OSError(export.session.id))
            raise refusals[-1]

        policy = make_policy(
            max_events_per_session=3, hard_delete_after_days=30, archive=archive
        )
        report = await maintenance.execute(policy)
        assert counts_of(report) == (0, 0, 8)
        step = MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS
        assert report.errors == {step: tuple(refusals)}
        assert len(refusals) == 3

    async def test_errors_are_told_also_of_a_step_that_is_stopped(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        What happened in the batches before is in the report.
        """
        await fill(store, backend)
        stop = asyncio.Event()

        async def archive(export: SessionExport) -> None:
            stop.set()
            raise OSError(export.session.id)

        policy = make_policy(hard_delete_after_days=30, archive=archive, batch_size=1)
        report = await maintenance.execute(policy, should_stop=stop.is_set)
        (errors,) = report.errors.values()
        assert [str(error) for error in errors] == ["deleted_0"]

    @needs(Capability.ONE_FEED, is_likely=True)
    @pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError])
    async def test_what_is_no_error_ends_it_at_once(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        error: type[BaseException],
    ) -> None:
        """
        The session that was being archived stays; those before it may be gone.
        """
        await fill(store, backend)

        async def archive(export: SessionExport) -> None:
            if export.session.id == "deleted_2":
                raise error

        policy = make_policy(hard_delete_after_days=30, archive=archive, batch_size=1)
        with pytest.raises(error):
            await maintenance.execute(policy)
        left = await store.list_sessions(include_deleted=True)
        deleted = [session.id for session in left if session.deleted_at is not None]
        assert deleted == ["deleted_2"]

    async def test_what_a_callback_raises_ends_it(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        It reaches the caller; the batch that was done stays done.
        """
        await fill(store, backend)

        def fail(_: object = None) -> Any:
            raise LookupError

        with pytest.raises(LookupError):
            await maintenance.execute(_POLICY, should_stop=fail)
        assert len(await store.list_sessions()) == 9
        with pytest.raises(LookupError):
            await maintenance.execute(_POLICY, progress=fail)
        assert len(await store.list_sessions()) == 7


@needs(Capability.SPANS_SESSIONS)
class TestRefusals(MaintenanceContract):
    """
    What is wrong about a call is told before anything is done.
    """

    async def test_arguments_are_checked_first(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        The message begins with the argument's name.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(3))
        await backend.set_last_activity("ses_1", days_ago(10_000))
        policy = make_policy(max_session_age_days=1, max_events_per_session=1)
        wrong: list[Any] = [None, {}, RetentionPolicy]

        async def callback(*_: object) -> bool:
            return False

        calls = [
            *(("policy", maintenance.execute(value)) for value in wrong),
            *(
                ("policy", maintenance.prune_session_events("ses_1", value))
                for value in wrong
            ),
            ("policy", maintenance.soft_delete_expired_sessions(wrong[0])),
            ("policy", maintenance.hard_delete_expired_sessions(wrong[1])),
            ("session_id", maintenance.soft_delete_session("")),
            ("session_id", maintenance.restore_session(cast("str", 7))),
            ("session_id", maintenance.prune_session_events("a\0", policy)),
            ("progress", maintenance.execute(policy, progress=cast("Any", 1))),
            ("progress", maintenance.execute(policy, progress=callback)),
            (
                "should_stop",
                maintenance.execute(policy, should_stop=cast("Any", callback)),
            ),
        ]
        for name, call in calls:
            with pytest.raises(ValidationError, match=f"^{name}:"):
                await call
        assert (await store.get_session("ses_1")).deleted_at is None
        assert len(await store.get_events("ses_1")) == 3
