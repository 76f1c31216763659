"""
Flushes that leave something out.
"""

from __future__ import annotations

import pytest

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    InvalidTransitionError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    numbered,
)
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = ["TestPartialFlushes"]


class TestPartialFlushes(SessionStoreContract):
    """
    What a result leaves out is not touched.
    """

    async def test_a_flush_without_a_run_stores_a_status_with_its_event(
        self, store: SessionStore
    ) -> None:
        """
        Both are one transaction; runs stay as they are.
        """
        active = make_session(status=SessionStatus.ACTIVE)
        await store.flush(make_execution_result(session=active))
        paused = make_session(status=SessionStatus.PAUSED)
        event = make_event(id="evt_3", type="session_paused")
        flushed = await store.flush(ExecutionResult(session=paused, events=(event,)))
        assert flushed == ExecutionResult(
            session=await store.get_session("ses_1"),
            events=tuple(numbered([event], first=3)),
        )
        assert (await store.get_run("run_1")).revision == 1
        refused = ExecutionResult(
            session=make_session(status=SessionStatus.PENDING),
            events=(make_event(id="evt_4"),),
        )
        with pytest.raises(InvalidTransitionError):
            await store.flush(refused)
        assert await store.get_latest_sequence("ses_1") == 3

    async def test_a_flush_without_a_run_brings_its_session_along(
        self, store: SessionStore
    ) -> None:
        """
        The session need not exist before.
        """
        flushed = await store.flush(make_execution_result(run=None))
        assert flushed.run is None
        assert flushed.session == make_session(revision=1)
        assert await store.list_runs("ses_1") == []
        assert await store.get_events("ses_1") == list(flushed.events)

    async def test_a_flush_without_a_session_leaves_it_as_it_is(
        self, store: SessionStore
    ) -> None:
        """
        What another has saved meanwhile stays, and so does the revision.
        """
        session = await store.save_session(make_session(metadata={"by": "them"}))
        result = make_execution_result(session=None)
        flushed = await store.flush(result, expected_sequence=0)
        assert flushed.session is None
        assert flushed.run == make_run(revision=1)
        assert await store.get_session("ses_1") == session
        with pytest.raises(SequenceConflictError):
            await store.flush(
                ExecutionResult(
                    run=make_run(turn_count=1), events=(make_event(id="evt_3"),)
                ),
                expected_sequence=0,
            )
        assert await store.get_run("run_1") == flushed.run

    async def test_events_alone_are_appended(self, store: SessionStore) -> None:
        """
        A flush of nothing else is an append, and idempotent as that is.
        """
        await store.save_session(make_session())
        result = ExecutionResult(events=tuple(make_events(2)))
        for _ in range(2):
            flushed = await store.flush(result, expected_sequence=0, operation_id="op")
            assert flushed == ExecutionResult(events=tuple(numbered(make_events(2))))
        assert await store.get_latest_sequence("ses_1") == 2
        with pytest.raises(EventConflictError):
            await store.flush(ExecutionResult(events=(make_event(data={}),)))

    async def test_what_is_left_out_must_be_there(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Without a session of its own a flush needs a living one.
        """
        partial = [
            make_execution_result(session=None),
            make_execution_result(session=None, events=()),
            ExecutionResult(events=tuple(make_events(1))),
        ]
        for result in partial:
            with pytest.raises(SessionNotFoundError):
                await store.flush(result)
        await store.save_session(make_session())
        await backend.soft_delete("ses_1")
        for result in partial:
            with pytest.raises(SessionDeletedError):
                await store.flush(result)
        assert await store.list_runs("ses_1") == []
        assert await store.get_latest_sequence("ses_1") == 0

    async def test_without_a_session_no_revision_can_be_expected(
        self, store: SessionStore
    ) -> None:
        """
        The expectation is the session's.
        """
        await store.save_session(make_session())
        with pytest.raises(ValidationError, match=r"^expected_revision: "):
            await store.flush(make_execution_result(session=None), expected_revision=1)

    @needs(Capability.UNIQUE_IDS)
    async def test_a_flush_without_a_session_cannot_take_anothers_run(
        self, store: SessionStore
    ) -> None:
        """
        Run ids are global, whether or not the session goes along.
        """
        before = await store.flush(make_execution_result())
        await store.save_session(make_session(id="ses_2"))
        thief = make_run(session_id="ses_2", status=RunStatus.RUNNING)
        with pytest.raises(ConflictError, match="run_1"):
            await store.flush(ExecutionResult(run=thief))
        assert await store.get_run("run_1") == before.run
