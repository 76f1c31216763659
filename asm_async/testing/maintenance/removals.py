"""
Sessions that are removed for good.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from asm_async.errors import RunNotFoundError, SessionNotFoundError
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, MaintenanceBackend
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.maintenance.contract import (
    MaintenanceContract,
    days_ago,
    make_policy,
)
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.session_export import SessionExport

__all__ = ["TestArchiving", "TestRemoval"]

_SESSIONS = ("ses_1", "ses_2", "ses_3")


def result_of(session_id: str) -> ExecutionResult:
    """
    Make what one run leaves behind in a tagged session.
    """
    return make_execution_result(
        session=make_session(id=session_id, tags=["pinned"]),
        run=make_run(id=f"run_of_{session_id}", session_id=session_id),
        events=make_events(3, session_id=session_id),
    )


async def delete_days_ago(
    backend: MaintenanceBackend, session_id: str, days: float
) -> None:
    """
    Soft-delete a session so many days before noon.
    """
    maintenance = await backend.open_maintenance(now=days_ago(days))
    await maintenance.soft_delete_session(session_id)


class TestRemoval(MaintenanceContract):
    """
    What was soft-deleted long enough ago goes, with all it had but its numbers.
    """

    async def test_what_was_soft_deleted_long_ago_is_removed(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Exactly as long ago as the limit is not too long; what lives is left alone.
        """
        results = [await store.flush(result_of(id_)) for id_ in _SESSIONS]
        tick = timedelta(microseconds=1) / timedelta(days=1)
        await delete_days_ago(backend, "ses_1", 30 + tick)
        await delete_days_ago(backend, "ses_2", 30)
        policy = make_policy(hard_delete_after_days=30)
        assert await maintenance.hard_delete_expired_sessions(policy) == 1
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")
        with pytest.raises(RunNotFoundError):
            await store.get_run("run_of_ses_1")
        assert await store.get_events("ses_1") == []
        assert (await backend.gates())["ses_1"] == Gate(3, 0, 3, "deleted")
        assert (await backend.gates())["ses_2"] == Gate(3, 3, 0, "soft_deleted")
        assert await store.get_events("ses_2") == list(results[1].events)
        assert await store.list_runs("ses_3") == [results[2].run]
        assert await maintenance.hard_delete_expired_sessions(policy) == 0

    @pytest.mark.parametrize("batch_size", [1, 2, 3, 5_000])
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
        for session_id in _SESSIONS:
            await store.flush(result_of(session_id))
            await delete_days_ago(backend, session_id, 40)
        policy = make_policy(hard_delete_after_days=30, batch_size=batch_size)
        assert await maintenance.hard_delete_expired_sessions(policy) == 3
        gone = dict.fromkeys(_SESSIONS, Gate(3, 0, 3, "deleted"))
        assert await backend.gates() == gone

    async def test_a_removed_session_may_be_saved_anew(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Nothing of its former life comes back; its numbers and revisions go on.
        """
        await store.flush(result_of("ses_1"))
        await delete_days_ago(backend, "ses_1", 40)
        policy = make_policy(hard_delete_after_days=30)
        await maintenance.hard_delete_expired_sessions(policy)
        flushed = await store.flush(result_of("ses_1"))
        assert session_of(flushed).revision == 2
        assert run_of(flushed).revision == 2
        assert numbers_of(flushed.events) == [4, 5, 6]

    async def test_without_a_limit_nothing_is_removed(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        However long ago it was deleted.
        """
        await store.save_session(make_session())
        await delete_days_ago(backend, "ses_1", 10_000)
        assert await maintenance.hard_delete_expired_sessions(make_policy()) == 0

    async def test_a_very_long_session_goes_whole(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        It counts once, and leaves its neighbours alone.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(2_500))
        await store.flush(result_of("ses_2"))
        await delete_days_ago(backend, "ses_1", 40)
        policy = make_policy(hard_delete_after_days=30)
        assert await maintenance.hard_delete_expired_sessions(policy) == 1
        assert await backend.gates() == {
            "ses_1": Gate(2_500, 0, 2_500, "deleted"),
            "ses_2": Gate(3, 3, 0, "live"),
        }


class TestArchiving(MaintenanceContract):
    """
    Nothing is removed that the archive has not taken.
    """

    async def test_the_archive_gets_each_session_whole(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        While it has not returned, the session is still there.
        """
        results = {id_: await store.flush(result_of(id_)) for id_ in _SESSIONS}
        await backend.prune("ses_1", [2])
        for session_id in _SESSIONS:
            await delete_days_ago(backend, session_id, 40)
        archived: dict[str, SessionExport] = {}

        async def archive(export: SessionExport) -> None:
            assert await store.get_session(export.session.id) == export.session
            archived[export.session.id] = export

        policy = make_policy(hard_delete_after_days=30, archive=archive)
        assert await maintenance.hard_delete_expired_sessions(policy) == 3
        assert tuple(archived) == _SESSIONS
        for session_id, export in archived.items():
            assert export.session.deleted_at == days_ago(40)
            assert export.runs == (results[session_id].run,)
        assert archived["ses_2"].events == results["ses_2"].events
        assert numbers_of(archived["ses_1"].events) == [1, 3]
        assert archived["ses_1"].pruned_count == 1
        assert await store.list_sessions(include_deleted=True) == []

    async def test_what_the_archive_refuses_stays(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        The others go all the same; then all refusals are told, each with its session.
        """
        for session_id in _SESSIONS:
            await store.flush(result_of(session_id))
            await delete_days_ago(backend, session_id, 40)

        async def archive(export: SessionExport) -> None:
            if export.session.id != "ses_2":
                raise OSError("no space left")

        policy = make_policy(hard_delete_after_days=30, archive=archive, batch_size=2)
        with pytest.raises(ExceptionGroup) as caught:
            await maintenance.hard_delete_expired_sessions(policy)
        assert [type(error) for error in caught.value.exceptions] == [OSError] * 2
        notes = [error.__notes__[0] for error in caught.value.exceptions]
        assert ["ses_1" in notes[0], "ses_3" in notes[1]] == [True, True]
        left = await store.list_sessions(include_deleted=True)
        assert [session.id for session in left] == ["ses_1", "ses_3"]
        assert len(await store.get_events("ses_1")) == 3

    async def test_what_is_restored_while_it_is_archived_stays(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Also if it is written to and soft-deleted again, since the archive lacks that.
        """
        for session_id in _SESSIONS:
            await store.flush(result_of(session_id))
            await delete_days_ago(backend, session_id, 40)

        async def archive(export: SessionExport) -> None:
            session_id = export.session.id
            if session_id == "ses_3":
                return
            await maintenance.restore_session(session_id)
            await store.append_event(make_event(id="new", session_id=session_id))
            if session_id == "ses_2":
                await delete_days_ago(backend, session_id, 39)

        policy = make_policy(hard_delete_after_days=30, archive=archive)
        assert await maintenance.hard_delete_expired_sessions(policy) == 1
        gates = await backend.gates()
        assert gates["ses_1"] == Gate(4, 4, 0, "live")
        assert gates["ses_2"] == Gate(4, 4, 0, "soft_deleted")
        assert gates["ses_3"].state == "deleted"
