"""
Sessions that are marked as deleted.
"""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, SessionStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import SessionStoreContract, numbers_of
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import RunStatus

__all__ = ["TestSoftDeletions"]


def execution_result() -> ExecutionResult:
    """
    Make session ``ses_1`` with a running run and two events.
    """
    return make_execution_result(run=make_run(status=RunStatus.RUNNING))


async def soft_deleted(
    store: SessionStore, backend: SessionStoreBackend
) -> ExecutionResult:
    """
    Store session ``ses_1``, soft-delete it, and give what was stored.
    """
    flushed = await store.flush(execution_result())
    await backend.soft_delete("ses_1")
    return flushed


class TestSoftDeletions(SessionStoreContract):
    """
    A soft-deleted session can be read, not written, until it is restored.
    """

    async def test_a_soft_deleted_session_is_readable_by_id(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        It carries the time of its deletion; its runs, events and numbers are all there.
        """
        before = await soft_deleted(store, backend)
        session = await store.get_session("ses_1")
        assert session.deleted_at is not None
        assert session.agent_id == session_of(before).agent_id
        assert await store.get_run("run_1") == before.run
        assert await store.list_runs("ses_1") == [before.run]
        assert await store.get_active_run("ses_1") == before.run
        assert await store.get_events("ses_1") == list(before.events)
        assert await store.get_latest_sequence("ses_1") == 2

    async def test_a_soft_deleted_session_is_left_out_of_lists(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Only who asks for deleted sessions gets them, in their places.
        """
        await soft_deleted(store, backend)
        later = make_session(id="ses_2", created_at=NOON + timedelta(seconds=1))
        alive = await store.save_session(later)
        assert await store.list_sessions() == [alive]
        assert await store.list_sessions(limit=1) == [alive]
        assert await store.list_sessions(agent_id="assistant") == [alive]
        deleted = await store.get_session("ses_1")
        both = await store.list_sessions(include_deleted=True)
        assert both == [deleted, alive]

    async def test_every_write_to_a_soft_deleted_session_is_refused(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Saves, appends and flushes change nothing, not even those that repeat others.
        """
        before = await soft_deleted(store, backend)
        session = await store.get_session("ses_1")
        writes = [
            store.save_session(make_session()),
            store.save_session(make_session(), expected_revision=1),
            store.save_run(make_run(id="run_2")),
            store.save_run(run_of(before)),
            store.append_event(make_event()),
            store.append_event_with_sequence(make_event(id="evt_3")),
            store.append_events(make_events(1, first=3), expected_sequence=2),
            store.flush(make_execution_result()),
            # These would succeed again, were the session alive.
            store.save_session(make_session(), expected_revision=0),
            store.save_run(make_run(status=RunStatus.RUNNING), expected_revision=0),
            store.append_events(execution_result().events, expected_sequence=0),
            store.flush(execution_result(), expected_sequence=0),
        ]
        for write in writes:
            with pytest.raises(SessionDeletedError) as caught:
                await write
            assert caught.value.session_id == "ses_1"
        assert await store.get_session("ses_1") == session
        assert await store.list_runs("ses_1") == [before.run]
        assert await store.get_events("ses_1") == list(before.events)

    async def test_a_stale_value_does_not_raise_the_dead(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Anyone who read the session before its deletion cannot save it after.
        """
        stale = session_of(await soft_deleted(store, backend))
        with pytest.raises(SessionDeletedError):
            await store.save_session(attrs.evolve(stale, agent_id="other"))
        assert (await store.get_session("ses_1")).deleted_at is not None

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_soft_deleted_session_keeps_a_batch_out(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Events of other sessions in the same batch are not stored either.
        """
        await soft_deleted(store, backend)
        await store.save_session(make_session(id="ses_2"))
        batch = [make_event(session_id="ses_2"), make_event(id="evt_3")]
        with pytest.raises(SessionDeletedError):
            await store.append_events(batch)
        assert await store.get_events("ses_2") == []

    async def test_the_gate_of_a_soft_deleted_session_is_closed(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        The counter knows the state and keeps its numbers.
        """
        await soft_deleted(store, backend)
        expected = Gate(latest=2, stored=2, pruned=0, state="soft_deleted")
        assert (await backend.gates())["ses_1"] == expected

    async def test_a_restored_session_goes_on(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        It is listed and written to again, and its numbers go on without a hole.
        """
        before = await soft_deleted(store, backend)
        await backend.restore("ses_1")
        session = await store.get_session("ses_1")
        assert session.deleted_at is None
        assert await store.list_sessions() == [session]
        repeated = await store.append_events(execution_result().events)
        assert repeated == list(before.events)
        flushed = await store.flush(
            make_execution_result(run=before.run, events=make_events(1, first=3))
        )
        assert numbers_of(flushed.events) == [3]

    async def test_a_soft_deleted_session_can_be_deleted_for_ever(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Then its id may be saved again, and its numbers go on.
        """
        await soft_deleted(store, backend)
        await store.delete_session("ses_1")
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")
        flushed = await store.flush(make_execution_result())
        assert session_of(flushed).deleted_at is None
        assert numbers_of(flushed.events) == [3, 4]
