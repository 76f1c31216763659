"""
Maintenance beside agents at work, and beside other maintenance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import timedelta

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.fronts.retention import utc_now
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.maintenance.contract import (
    MaintenanceContract,
    days_ago,
    make_policy,
    save_as_active,
    store_log,
)
from asm_async.testing.session_store.contract import OpenStore, numbers_of
from asm_async.values.event import EventType
from asm_async.values.maintenance import HealthIssueKind
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport

__all__ = ["TestMaintainers"]

_SESSIONS = tuple(f"ses_{number}" for number in range(6))

_STRICT = make_policy(
    max_completed_session_age_days=10,
    max_session_age_days=10,
    max_events_per_session=3,
    max_total_events=10,
    hard_delete_after_days=1,
    batch_size=4,
)


async def several(backend: MaintenanceBackend, count: int) -> list[Maintenance]:
    """
    Open several maintenances at noon.
    """
    return [await backend.open_maintenance(now=NOON) for _ in range(count)]


async def write_all_kinds(store: SessionStore, writer: int) -> None:
    """
    Save, flush, append and delete, over and over, in sessions that may be deleted.
    """
    for number in range(5):
        for session_id in _SESSIONS[:: -1 if writer % 3 else 1]:
            is_exempt = session_id in _SESSIONS[::2]
            status = SessionStatus.ACTIVE if is_exempt else SessionStatus.PENDING
            session = make_session(id=session_id, status=status)
            name = f"{writer}_{number}_{session_id}"
            result = make_execution_result(
                session=session,
                run=make_run(id=name, session_id=session_id),
                events=[make_event(id=name, session_id=session_id)],
            )
            another = make_event(id=f"{name}_2", session_id=session_id)
            await _unless_deleted(store.save_session(session))
            await _unless_deleted(store.flush(result))
            await _unless_deleted(store.append_events([another]))
        if writer == 0:
            await store.delete_session(_SESSIONS[number])


async def execute_until(is_done: asyncio.Event, maintenance: Maintenance) -> None:
    """
    Do all that a strict policy asks for, over and over, and without an error.
    """
    while not is_done.is_set():
        report = await maintenance.execute(_STRICT)
        assert report.errors == {}
        await asyncio.sleep(0)


async def restore_until(is_done: asyncio.Event, maintenance: Maintenance) -> None:
    """
    Restore each session, over and over.
    """
    while not is_done.is_set():
        for session_id in _SESSIONS:
            await _unless_deleted(maintenance.restore_session(session_id))
        await asyncio.sleep(0)


async def _unless_deleted(call: Awaitable[object]) -> None:
    with suppress(SessionDeletedError, SessionNotFoundError):
        await call


class TestMaintainers(MaintenanceContract):
    """
    No matter who works at the same time, nothing is lost, counted twice or deadlocked.
    """

    @needs(Capability.SPANS_SESSIONS)
    async def test_of_two_at_once_each_does_a_part(
        self, store: SessionStore, backend: MaintenanceBackend
    ) -> None:
        """
        Together they do what one would have done, and count each thing once.
        """
        for number in range(24):
            over = make_session(
                id=f"old_{number}",
                status=SessionStatus.COMPLETED,
                last_activity_at=days_ago(20),
            )
            await save_as_active(store, backend, over)
            await store_log(
                store, [EventType.MESSAGE_SENT] * 6, id=f"long_{number}", tags=["a"]
            )
            await store.flush(
                make_execution_result(
                    session=make_session(id=f"deleted_{number}"),
                    run=make_run(id=f"run_{number}", session_id=f"deleted_{number}"),
                    events=make_events(2, session_id=f"deleted_{number}"),
                )
            )
        earlier = await backend.open_maintenance(now=days_ago(40))
        await run_together(
            earlier.soft_delete_session(f"deleted_{number}") for number in range(24)
        )
        policy = make_policy(
            max_completed_session_age_days=10,
            max_events_per_session=4,
            max_total_events=24 * 3,
            hard_delete_after_days=30,
            batch_size=5,
        )
        reports = await run_together(
            maintenance.execute(policy) for maintenance in await several(backend, 3)
        )
        assert [report.errors for report in reports] == [{}] * 3
        assert sum(report.sessions_soft_deleted for report in reports) == 24
        assert sum(report.sessions_hard_deleted for report in reports) == 24
        assert sum(report.events_pruned for report in reports) == 24 * 3
        gates = await backend.gates()
        stored = sum(gate.stored for gate in gates.values())
        assert stored == 24 * 3

    async def test_two_prune_one_session_at_once(
        self, store: SessionStore, backend: MaintenanceBackend
    ) -> None:
        """
        It keeps exactly what it should.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(3_000))
        policy = make_policy(max_events_per_session=100)
        pruned = await run_together(
            maintenance.prune_session_events("ses_1", policy)
            for maintenance in await several(backend, 4)
        )
        assert sum(pruned) == 2_900
        left = numbers_of(await store.get_events("ses_1"))
        assert left == list(range(2_901, 3_001))

    async def test_two_remove_a_very_long_session_at_once(
        self, store: SessionStore, backend: MaintenanceBackend
    ) -> None:
        """
        Only one of them counts it; each archive that was called got all of it.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(2_500))
        earlier = await backend.open_maintenance(now=days_ago(40))
        await earlier.soft_delete_session("ses_1")
        archived: list[int] = []

        async def archive(export: SessionExport) -> None:
            await asyncio.sleep(0)
            archived.append(len(export.events))

        policy = make_policy(hard_delete_after_days=30, archive=archive)
        removed = await run_together(
            maintenance.hard_delete_expired_sessions(policy)
            for maintenance in await several(backend, 3)
        )
        assert sorted(removed) == [0, 0, 1]
        assert set(archived) == {2_500}
        assert (await backend.gates())["ses_1"].state == "deleted"

    @needs(Capability.SPANS_SESSIONS)
    async def test_deleting_and_restoring_race_with_appends(
        self, store: SessionStore, backend: MaintenanceBackend, open_store: OpenStore
    ) -> None:
        """
        An append is stored or refused; none is stored in a session that is closed.
        """
        for session_id in _SESSIONS:
            await store.save_session(make_session(id=session_id))
        first, second = await several(backend, 2)

        async def toggle(maintenance: Maintenance, ids: Sequence[str]) -> list[int]:
            for _ in range(4):
                for session_id in ids:
                    await maintenance.soft_delete_session(session_id)
                    await maintenance.restore_session(session_id)
            return []

        async def append(writer: int, store: SessionStore) -> list[int]:
            stored: list[int] = []
            for number in range(8):
                batch = [
                    make_event(id=f"evt_{writer}_{number}", session_id=session_id)
                    for session_id in _SESSIONS[:: -1 if writer % 2 else 1]
                ]
                try:
                    stored.append(len(await store.append_events(batch)))
                except SessionDeletedError:
                    await asyncio.sleep(0)
            return stored

        histories = await run_together(
            [
                *[append(writer, await open_store()) for writer in range(4)],
                toggle(first, _SESSIONS),
                toggle(second, _SESSIONS[::-1]),
            ]
        )
        appended = sum(len(history) for history in histories)
        for session_id in _SESSIONS:
            numbers = numbers_of(await store.get_events(session_id))
            assert numbers == list(range(1, appended + 1))

    @needs(Capability.SPANS_SESSIONS)
    async def test_every_step_races_with_writers_of_every_kind(
        self, backend: MaintenanceBackend, open_store: OpenStore
    ) -> None:
        """
        Savers, appenders, flushers and deleters only ever hear of deleted sessions.
        """
        stores = [await open_store() for _ in range(3)]
        is_done = asyncio.Event()

        async def write_all() -> None:
            await run_together(
                write_all_kinds(stores[writer % 3], writer) for writer in range(6)
            )
            is_done.set()

        # What is written meanwhile is too old by both, unless its status is exempt.
        now = utc_now() + timedelta(days=20)
        today = await backend.open_maintenance(now=now)
        later = await backend.open_maintenance(now=now + timedelta(days=3))
        await run_together(
            [
                write_all(),
                execute_until(is_done, today),
                execute_until(is_done, later),
                restore_until(is_done, today),
            ]
        )
        found = await today.health_check()
        assert {issue.kind for issue in found} <= {HealthIssueKind.WEAK_DURABILITY}
        await today.execute(_STRICT)
        stored = [gate.stored for gate in (await backend.gates()).values()]
        assert max(stored) <= 3
        assert sum(stored) <= 10
