"""
Soft deletion of one session, and its undoing.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, MaintenanceBackend
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_execution_result,
    make_session,
    session_of,
)
from asm_async.testing.maintenance.contract import MaintenanceContract, days_ago
from asm_async.testing.session_store.contract import numbers_of

__all__ = ["TestSoftDeletion"]


class TestSoftDeletion(MaintenanceContract):
    """
    A session can be deleted so that nothing is lost.
    """

    async def test_a_tenant_deletes_and_restores_its_own(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Another's session is not found and stays as it is.
        """
        theirs = await store.save_session(make_session(tenant_id="theirs"))
        for call in (maintenance.soft_delete_session, maintenance.restore_session):
            for id_ in ("ses_1", "ses_7"):
                with pytest.raises(SessionNotFoundError) as caught:
                    await call(id_, expected_tenant="mine")
                assert caught.value.args == (id_,)
            assert await store.get_session("ses_1") == theirs
        deleted = await maintenance.soft_delete_session(
            "ses_1", expected_tenant="theirs"
        )
        assert deleted.deleted_at is not None
        with pytest.raises(SessionNotFoundError):
            await maintenance.restore_session("ses_1", expected_tenant="mine")
        assert await store.get_session("ses_1") == deleted
        restored = await maintenance.restore_session("ses_1", expected_tenant="theirs")
        assert restored == theirs

    async def test_a_soft_deleted_session_carries_the_time_and_is_closed(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        All else of it stays, revision and times included.
        """
        before = await store.flush(make_execution_result())
        deleted = await maintenance.soft_delete_session("ses_1")
        assert deleted == attrs.evolve(session_of(before), deleted_at=NOON)
        assert await store.get_session("ses_1") == deleted
        assert await store.get_events("ses_1") == list(before.events)
        assert await store.list_sessions() == []
        with pytest.raises(SessionDeletedError):
            await store.append_event(make_event(id="evt_3"))
        with pytest.raises(SessionDeletedError):
            await store.save_session(session_of(before))
        assert (await backend.gates())["ses_1"] == Gate(2, 2, 0, "soft_deleted")

    async def test_a_soft_deleted_session_keeps_its_time(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Deleting it once more changes nothing.
        """
        await store.save_session(make_session())
        earlier = await backend.open_maintenance(now=days_ago(3))
        deleted = await earlier.soft_delete_session("ses_1")
        assert await maintenance.soft_delete_session("ses_1") == deleted
        assert deleted.deleted_at == days_ago(3)

    async def test_a_restored_session_is_as_it_was(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        It is listed and appended to again; restoring what lives changes nothing.
        """
        before = await store.flush(make_execution_result())
        await maintenance.soft_delete_session("ses_1")
        for _ in range(2):
            assert await maintenance.restore_session("ses_1") == before.session
        assert await store.list_sessions() == [before.session]
        stored = await store.append_events([make_event(id="evt_3")])
        assert numbers_of(stored) == [3]
        assert (await backend.gates())["ses_1"] == Gate(3, 3, 0, "live")

    async def test_a_session_that_is_not_there_cannot_be_deleted_or_restored(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Neither one that never was nor one that is gone; nothing is left behind.
        """
        await store.save_session(make_session())
        await store.delete_session("ses_1")
        for session_id in ("ses_1", "ses_unknown"):
            for call in (maintenance.soft_delete_session, maintenance.restore_session):
                with pytest.raises(SessionNotFoundError) as caught:
                    await call(session_id)
                assert caught.value.session_id == session_id
        assert set(await backend.gates()) == {"ses_1"}

    async def test_only_the_session_named_is_deleted(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        Others stay as they are.
        """
        await store.save_session(make_session())
        other = await store.save_session(make_session(id="ses_2"))
        await maintenance.soft_delete_session("ses_1")
        assert await store.list_sessions() == [other]

    async def test_the_clock_is_the_real_one_unless_given(
        self, store: SessionStore, backend: MaintenanceBackend
    ) -> None:
        """
        A session that is deleted now was deleted after one that was yesterday.
        """
        maintenance = await backend.open_maintenance()
        await store.save_session(make_session())
        deleted = await maintenance.soft_delete_session("ses_1")
        assert deleted.deleted_at is not None
        assert deleted.deleted_at > NOON
