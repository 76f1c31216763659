"""
Sessions that grow too old.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import NOON, make_session
from asm_async.testing.maintenance.contract import (
    MaintenanceContract,
    days_ago,
    make_policy,
)
from asm_async.values.fields import MAX_COUNT
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus

__all__ = ["TestExpiry"]

_TICK = timedelta(microseconds=1)


async def save(store: SessionStore, **sessions: dict[str, Any]) -> None:
    """
    Store a session under each name.
    """
    for name, fields in sessions.items():
        await store.save_session(make_session(id=name, **fields))


async def deleted(store: SessionStore) -> set[str]:
    """
    Give the ids of the sessions that are soft-deleted.
    """
    everything = await store.list_sessions(include_deleted=True)
    return {session.id for session in everything if session.deleted_at is not None}


class TestExpiry(MaintenanceContract):
    """
    What has grown too old is soft-deleted, and nothing else.
    """

    async def test_sessions_that_are_over_expire_by_their_last_change(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Exactly as old as the limit is not older; what is not over never expires so.
        """
        at_limit = days_ago(10)
        await save(
            store,
            **{
                status.value: {"status": status, "updated_at": at_limit - _TICK}
                for status in SessionStatus
            },
            at_limit={"status": SessionStatus.COMPLETED, "updated_at": at_limit},
            old_but_changed={
                "status": SessionStatus.COMPLETED,
                "created_at": days_ago(99),
            },
        )
        policy = make_policy(max_completed_session_age_days=10, exempt_statuses=())
        assert await maintenance.soft_delete_expired_sessions(policy) == 3
        assert await deleted(store) == {"completed", "failed", "cancelled"}
        assert (await store.get_session("failed")).deleted_at == NOON
        assert await maintenance.soft_delete_expired_sessions(policy) == 0

    async def test_all_sessions_expire_by_their_creation(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Whatever their status, unless it is exempt.
        """
        at_limit = days_ago(10)
        await save(
            store,
            **{
                status.value: {"status": status, "created_at": at_limit - _TICK}
                for status in SessionStatus
            },
            at_limit={"created_at": at_limit},
        )
        policy = make_policy(max_session_age_days=10)
        assert await maintenance.soft_delete_expired_sessions(policy) == 4
        exempt = {"active", "paused"}
        assert await deleted(store) == set(SessionStatus) - exempt
        policy = make_policy(max_session_age_days=10, exempt_statuses=())
        assert await maintenance.soft_delete_expired_sessions(policy) == 2
        assert await deleted(store) == set(SessionStatus)

    async def test_a_session_that_is_too_old_in_both_ways_counts_once(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Also if each batch is of one session.
        """
        old = {
            "status": SessionStatus.FAILED,
            "created_at": days_ago(50),
            "updated_at": days_ago(50),
        }
        await save(store, one=old, two=old, three=old)
        policy = make_policy(
            max_session_age_days=10, max_completed_session_age_days=10, batch_size=1
        )
        assert await maintenance.soft_delete_expired_sessions(policy) == 3

    async def test_sessions_with_an_exempt_tag_never_expire(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        One of the tags is enough; without exempt tags none counts.
        """
        old = {"created_at": days_ago(50)}
        await save(
            store,
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
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Nor where the limit lies before all time.
        """
        oldest = {
            "status": SessionStatus.COMPLETED,
            "created_at": NOON.replace(year=1),
            "updated_at": NOON.replace(year=1),
        }
        await save(store, oldest=oldest)
        for policy in (
            make_policy(),
            make_policy(
                max_session_age_days=MAX_COUNT,
                max_completed_session_age_days=1_000_000,
            ),
        ):
            assert await maintenance.soft_delete_expired_sessions(policy) == 0
        assert await maintenance.soft_delete_expired_sessions(RetentionPolicy()) == 1

    @pytest.mark.parametrize("batch_size", [1, 3, 7, 100_000])
    async def test_every_batch_size_gives_the_same(
        self, store: SessionStore, maintenance: Maintenance, batch_size: int
    ) -> None:
        """
        Sessions of one time are not skipped between batches.
        """
        names = [f"ses_{number}" for number in range(7)]
        await save(store, **{name: {"created_at": days_ago(50)} for name in names})
        await save(store, young={})
        policy = make_policy(max_session_age_days=10, batch_size=batch_size)
        assert await maintenance.soft_delete_expired_sessions(policy) == 7
        assert await deleted(store) == set(names)

    async def test_a_restored_session_expires_again_unless_it_is_saved(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Saving it with a later time, or with an exempt tag, keeps it.
        """
        over = {"status": SessionStatus.COMPLETED, "updated_at": days_ago(50)}
        await save(store, ses_1=over)
        policy = make_policy(max_completed_session_age_days=10)
        for _ in range(2):
            assert await maintenance.soft_delete_expired_sessions(policy) == 1
            await maintenance.restore_session("ses_1")
        await save(store, ses_1=over | {"tags": ["pinned"]})
        assert await maintenance.soft_delete_expired_sessions(policy) == 0
        await save(store, ses_1=over | {"updated_at": NOON})
        assert await maintenance.soft_delete_expired_sessions(policy) == 0
