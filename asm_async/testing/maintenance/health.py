"""
Damage that is looked for.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.ports.maintenance import MAX_ISSUES_PER_KIND, Maintenance
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
from asm_async.testing.maintenance.contract import MaintenanceContract, make_policy
from asm_async.testing.session_store.contract import OpenStore
from asm_async.values.maintenance import HealthIssue, HealthIssueKind
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = ["TestHealth"]

_ORPHANED = tuple(kind for kind in HealthIssueKind if kind.name.startswith("ORPHANED"))


async def issues_of(maintenance: Maintenance) -> list[HealthIssue]:
    """
    Look for damage, whatever durability the server of the backend was set up for.
    """
    found = await maintenance.health_check()
    return [
        issue for issue in found if issue.kind is not HealthIssueKind.WEAK_DURABILITY
    ]


async def fill(store: SessionStore) -> None:
    """
    Store sessions and runs of every status, with events and tags.
    """
    for number, status in enumerate(SessionStatus):
        session_id = f"ses_{number}"
        await store.flush(
            make_execution_result(
                session=make_session(id=session_id, status=status, tags=["a", "b"]),
                run=make_run(id=f"run_{number}", session_id=session_id),
                events=make_events(3, session_id=session_id),
            )
        )
    for run_status in RunStatus:
        run = make_run(id=run_status, session_id="ses_0", status=run_status)
        await store.save_run(run)


class TestHealth(MaintenanceContract):
    """
    What is sound gives no issue, and what is damaged gives its own.
    """

    async def test_a_sound_database_has_no_issues(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Empty or not, pruned, with sessions deleted either way and saved again.
        """
        assert await issues_of(maintenance) == []
        await fill(store)
        await maintenance.prune_session_events(
            "ses_1", make_policy(max_events_per_session=1)
        )
        await maintenance.soft_delete_session("ses_2")
        await maintenance.soft_delete_session("ses_3")
        await maintenance.restore_session("ses_3")
        await store.delete_session("ses_4")
        await store.delete_session("ses_5")
        await store.save_session(make_session(id="ses_5"))
        gates = await backend.gates()
        assert {gate.state for gate in gates.values()} == {
            "live",
            "soft_deleted",
            "deleted",
        }
        assert await issues_of(maintenance) == []

    @pytest.mark.parametrize("kind", HealthIssueKind)
    async def test_each_kind_of_damage_gives_its_own_issue(
        self, backend: MaintenanceBackend, kind: HealthIssueKind
    ) -> None:
        """
        And no other; the message says more than nothing.
        """
        store = await backend.open_store()
        await fill(store)
        await store.aclose()
        session_id = "ses_lost" if kind in _ORPHANED else "ses_1"
        subject = await backend.damage(kind, session_id)
        issues = await issues_of(await backend.open_maintenance())
        found = {(issue.kind, issue.subject) for issue in issues}
        assert found == ({(kind, subject)} - {(kind, None)})
        assert all(issue.message for issue in issues)

    @needs(Capability.ONE_REPORT)
    async def test_of_many_issues_the_first_are_told_and_the_rest_counted(
        self, backend: MaintenanceBackend
    ) -> None:
        """
        They stand in the order of their subjects.
        """
        total = MAX_ISSUES_PER_KIND + 20
        subjects = [f"ses_{number:04}" for number in range(total)]
        for subject in subjects:
            kind = HealthIssueKind.ORPHANED_RUNS
            await backend.damage(kind, subject)
        issues = await issues_of(await backend.open_maintenance())
        told = [*subjects[:MAX_ISSUES_PER_KIND], "others"]
        assert [issue.subject for issue in issues] == told
        assert "20 more" in issues[-1].message

    async def test_agents_at_work_raise_no_false_alarm(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        open_store: OpenStore,
    ) -> None:
        """
        Whatever they are at when the database is looked over.
        """
        other = await backend.open_maintenance(now=NOON)
        policy = make_policy(max_events_per_session=2)
        is_done = asyncio.Event()

        async def write(writer: int, store: SessionStore) -> None:
            for number in range(6):
                session_id = f"ses_{writer % 4}_{number}"
                await store.save_session(make_session(id=session_id, tags=["a"]))
                await store.append_events(
                    [
                        make_event(id=f"evt_{writer}_{place}", session_id=session_id)
                        for place in range(4)
                    ]
                )
                await store.save_run(
                    make_run(id=f"run_{writer}_{number}", session_id=session_id)
                )

        async def maintain() -> None:
            for number in range(6):
                for writer in range(4):
                    session_id = f"gone_{writer}_{number}"
                    await store.flush(
                        make_execution_result(
                            session=make_session(id=session_id, tags=["a"]),
                            run=make_run(id=session_id, session_id=session_id),
                            events=make_events(3, session_id=session_id),
                        )
                    )
                    await other.soft_delete_session(session_id)
                    await other.prune_session_events(session_id, policy)
                    await store.delete_session(session_id)
            is_done.set()

        async def look() -> None:
            while not is_done.is_set():
                assert await issues_of(maintenance) == []
                await asyncio.sleep(0)

        stores = [await open_store() for _ in range(2)]
        await run_together(
            [
                *(write(writer, stores[writer % 2]) for writer in range(8)),
                maintain(),
                look(),
            ]
        )
        assert await issues_of(maintenance) == []
