"""
Sessions that grow too old.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.factories import NOON, make_event, make_run, make_session
from asm_async.testing.maintenance.contract import (
    MaintenanceContract,
    days_ago,
    make_policy,
    save_as_active,
)
from asm_async.values.fields import MAX_COUNT
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus

__all__ = ["TestExpiry"]

_TICK = timedelta(microseconds=1)


async def save(
    store: SessionStore, backend: MaintenanceBackend, **sessions: dict[str, Any]
) -> None:
    """
    Store a session under each name, last active when it says, or at noon.
    """
    for name, fields in sessions.items():
        session = make_session(id=name, **({"last_activity_at": NOON} | fields))
        await save_as_active(store, backend, session)


async def deleted(store: SessionStore) -> set[str]:
    """
    Return the ids of the sessions that are soft-deleted.
    """
    everything = await store.list_sessions(include_deleted=True)
    return {session.id for session in everything if session.deleted_at is not None}


class TestExpiry(MaintenanceContract):
    """
    What has grown too old is soft-deleted, and nothing else.
    """

    async def test_sessions_that_are_over_expire_by_their_last_activity(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Exactly as old as the limit is not older; what is not over never expires so.
        """
        at_limit = days_ago(10)
        await save(
            store,
            backend,
            **{
                status.value: {"status": status, "last_activity_at": at_limit - _TICK}
                for status in SessionStatus
            },
            at_limit={"status": SessionStatus.COMPLETED, "last_activity_at": at_limit},
            old_but_active={
                "status": SessionStatus.COMPLETED,
                "created_at": days_ago(99),
                "updated_at": days_ago(99),
            },
        )
        policy = make_policy(max_completed_session_age_days=10, exempt_statuses=())
        assert await maintenance.soft_delete_expired_sessions(policy) == 3
        assert await deleted(store) == {"completed", "failed", "cancelled"}
        assert (await store.get_session("failed")).deleted_at == NOON
        assert await maintenance.soft_delete_expired_sessions(policy) == 0

    async def test_all_sessions_expire_by_their_last_activity(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Whatever their status, unless it is exempt.
        """
        at_limit = days_ago(10)
        await save(
            store,
            backend,
            **{
                status.value: {"status": status, "last_activity_at": at_limit - _TICK}
                for status in SessionStatus
            },
            at_limit={"last_activity_at": at_limit},
            old_but_active={"created_at": days_ago(99), "updated_at": days_ago(99)},
        )
        policy = make_policy(max_session_age_days=10)
        assert await maintenance.soft_delete_expired_sessions(policy) == 4
        exempt = {"active", "paused"}
        assert await deleted(store) == set(SessionStatus) - exempt
        policy = make_policy(max_session_age_days=10, exempt_statuses=())
        assert await maintenance.soft_delete_expired_sessions(policy) == 2
        assert await deleted(store) == set(SessionStatus)

    async def test_idle_sessions_expire_whatever_their_status(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        An exempt tag protects them, and an exempt status does not.
        """
        at_limit = days_ago(10)
        await save(
            store,
            backend,
            **{
                status.value: {"status": status, "last_activity_at": at_limit - _TICK}
                for status in SessionStatus
            },
            at_limit={"last_activity_at": at_limit},
            pinned={"last_activity_at": days_ago(99), "tags": ["pinned"]},
        )
        policy = make_policy(max_idle_days=10, exempt_statuses=tuple(SessionStatus))
        assert await maintenance.soft_delete_expired_sessions(policy) == 6
        assert await deleted(store) == set(SessionStatus)
        assert await maintenance.soft_delete_expired_sessions(policy) == 0

    async def test_each_setting_goes_by_its_own_age(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        The longer one of an exempt status, the shorter one of what is over.
        """
        for days in (5, 15, 25):
            for status in (SessionStatus.ACTIVE, SessionStatus.FAILED, "pending"):
                fields = {"status": status, "last_activity_at": days_ago(days)}
                await save(store, backend, **{f"{status}_{days}": fields})
        policy = make_policy(
            max_completed_session_age_days=4, max_session_age_days=14, max_idle_days=24
        )
        assert await maintenance.soft_delete_expired_sessions(policy) == 6
        assert await deleted(store) == {
            *("failed_5", "failed_15", "failed_25"),
            *("pending_15", "pending_25", "active_25"),
        }

    async def test_what_was_written_to_a_moment_ago_is_never_too_old(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Whether that was an event, a run or the session, and however old the rest.
        """
        old = {
            "status": SessionStatus.COMPLETED,
            "created_at": days_ago(99),
            "updated_at": days_ago(99),
            "last_activity_at": days_ago(99),
        }
        await save(store, backend, **dict.fromkeys(("event", "run", "save", "no"), old))
        await store.append_event(make_event(session_id="event"))
        await store.save_run(make_run(session_id="run"))
        await store.save_session(make_session(id="save", **old))
        policy = make_policy(
            max_completed_session_age_days=1, max_session_age_days=1, max_idle_days=1
        )
        assert await maintenance.soft_delete_expired_sessions(policy) == 1
        assert await deleted(store) == {"no"}

    async def test_a_session_that_is_too_old_in_both_ways_counts_once(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Also if each batch is of one session.
        """
        old = {
            "status": SessionStatus.FAILED,
            "last_activity_at": days_ago(50),
        }
        await save(store, backend, one=old, two=old, three=old)
        policy = make_policy(
            max_session_age_days=10,
            max_completed_session_age_days=10,
            max_idle_days=10,
            batch_size=1,
        )
        assert await maintenance.soft_delete_expired_sessions(policy) == 3

    async def test_sessions_with_an_exempt_tag_never_expire(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        One of the tags is enough; without exempt tags none counts.
        """
        old = {"last_activity_at": days_ago(50)}
        await save(
            store,
            backend,
            pinned=old | {"tags": ["a", "pinned"]},
            kept=old | {"tags": ["kept"]},
            other=old | {"tags": ["pin", "Pinned"]},
        )
        many = tuple(f"tag_{number}" for number in range(2_000))
        policy = make_policy(
            max_session_age_days=10, exempt_tags=("kept", "pinned", *many)
        )
        assert await maintenance.soft_delete_expired_sessions(policy) == 1
        assert await deleted(store) == {"other"}
        policy = make_policy(max_session_age_days=10, exempt_tags=())
        assert await maintenance.soft_delete_expired_sessions(policy) == 2

    async def test_without_a_limit_nothing_expires(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Nor where the limit lies before all time.
        """
        oldest = {
            "status": SessionStatus.COMPLETED,
            "last_activity_at": NOON.replace(year=1),
        }
        await save(store, backend, oldest=oldest)
        for policy in (
            make_policy(),
            make_policy(
                max_session_age_days=MAX_COUNT,
                max_completed_session_age_days=1_000_000,
                max_idle_days=MAX_COUNT,
            ),
        ):
            assert await maintenance.soft_delete_expired_sessions(policy) == 0
        assert await maintenance.soft_delete_expired_sessions(RetentionPolicy()) == 1

    @pytest.mark.parametrize("batch_size", [1, 3, 7, 100_000])
    async def test_every_batch_size_gives_the_same(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        batch_size: int,
    ) -> None:
        """
        Sessions of one time are not skipped between batches.
        """
        names = [f"ses_{number}" for number in range(7)]
        old = {"last_activity_at": days_ago(50)}
        await save(store, backend, **dict.fromkeys(names, old))
        await save(store, backend, young={})
        policy = make_policy(max_session_age_days=10, batch_size=batch_size)
        assert await maintenance.soft_delete_expired_sessions(policy) == 7
        assert await deleted(store) == set(names)

    async def test_a_restored_session_expires_again_unless_it_is_saved(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        A save is an activity, and one with an exempt tag keeps it for good.
        """
        over = {"status": SessionStatus.COMPLETED, "last_activity_at": days_ago(50)}
        await save(store, backend, ses_1=over)
        policy = make_policy(max_completed_session_age_days=10)
        for _ in range(2):
            assert await maintenance.soft_delete_expired_sessions(policy) == 1
            await maintenance.restore_session("ses_1")
        await save(store, backend, ses_1=over | {"tags": ["pinned"]})
        assert await maintenance.soft_delete_expired_sessions(policy) == 0
        await save(store, backend, ses_1=over | {"last_activity_at": NOON})
        assert await maintenance.soft_delete_expired_sessions(policy) == 0
