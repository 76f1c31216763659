"""
Flushing what an execution left behind.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    InvalidTransitionError,
    RunNotFoundError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    numbered,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import SessionStoreContract, numbers_of
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = ["TestFlushes"]


async def stored_result(store: SessionStore) -> ExecutionResult:
    """
    Read back what there is of session ``ses_1`` and run ``run_1``.
    """
    return ExecutionResult(
        session=await store.get_session("ses_1"),
        run=await store.get_run("run_1"),
        events=tuple(await store.get_events("ses_1")),
    )


class TestFlushes(SessionStoreContract):
    """
    A session, a run and its events are stored together or not at all.
    """

    async def test_a_flush_brings_its_session_along(self, store: SessionStore) -> None:
        """
        All is stored as given, with first revisions and numbers, and given back.
        """
        result = make_execution_result()
        flushed = await store.flush(result)
        assert flushed == ExecutionResult(
            session=attrs.evolve(session_of(result), revision=1),
            run=attrs.evolve(run_of(result), revision=1),
            events=tuple(numbered(result.events)),
        )
        assert await stored_result(store) == flushed

    async def test_a_flush_replaces_session_and_run_and_appends_events(
        self, store: SessionStore
    ) -> None:
        """
        What was stored before is replaced by id; the numbers go on.
        """
        await store.flush(make_execution_result())
        second = make_execution_result(
            session=make_session(status=SessionStatus.ACTIVE, revision=7),
            run=make_run(status=RunStatus.RUNNING, revision=7),
            events=make_events(2, first=3),
        )
        flushed = await store.flush(second)
        assert session_of(flushed) == attrs.evolve(session_of(second), revision=2)
        assert run_of(flushed) == attrs.evolve(run_of(second), revision=2)
        assert numbers_of(flushed.events) == [3, 4]
        assert numbers_of(await store.get_events("ses_1")) == [1, 2, 3, 4]
        assert await store.get_session("ses_1") == flushed.session
        assert await store.get_run("run_1") == flushed.run

    async def test_a_flush_without_events_stores_session_and_run(
        self, store: SessionStore
    ) -> None:
        """
        A run need not leave events behind.
        """
        flushed = await store.flush(make_execution_result(events=()))
        assert flushed.events == ()
        assert await stored_result(store) == flushed

    async def test_what_the_provider_reported_is_stored_with_the_run(
        self, store: SessionStore
    ) -> None:
        """
        The result's provider_metadata lies over the run's own.
        """
        result = make_execution_result(
            run=make_run(provider_metadata={"model": "small", "region": "north"}),
            provider_metadata={"model": "large"},
        )
        flushed = await store.flush(result)
        expected = {"model": "large", "region": "north"}
        assert run_of(flushed).provider_metadata == expected
        assert (await store.get_run("run_1")).provider_metadata == expected

    async def test_a_repeated_flush_appends_nothing(self, store: SessionStore) -> None:
        """
        Events are known by their ids; session and run are saved once more.
        """
        first = await store.flush(make_execution_result())
        second = await store.flush(make_execution_result())
        assert second.events == first.events
        assert (session_of(second).revision, run_of(second).revision) == (2, 2)
        assert await stored_result(store) == second

    async def test_a_flush_may_hold_an_event_twice(self, store: SessionStore) -> None:
        """
        The event is stored once and comes back in both places.
        """
        events = [make_event(), make_event(id="evt_2"), make_event()]
        flushed = await store.flush(make_execution_result(events=events))
        assert numbers_of(flushed.events) == [1, 2, 1]
        assert numbers_of(await store.get_events("ses_1")) == [1, 2]

    async def test_a_refused_event_keeps_the_whole_flush_out(
        self, store: SessionStore
    ) -> None:
        """
        Neither session nor run nor other events are changed.
        """
        before = await store.flush(make_execution_result())
        for bad in (
            [make_event(data={"content": "other"})],
            [make_event(id="evt_4"), make_event(id="evt_4", data={})],
        ):
            result = make_execution_result(
                session=make_session(agent_id="other"),
                run=make_run(turn_count=1),
                events=[make_event(id="evt_3"), *bad],
            )
            with pytest.raises(EventConflictError):
                await store.flush(result)
            assert await stored_result(store) == before

    async def test_a_refused_flush_of_a_new_session_leaves_none(
        self, store: SessionStore
    ) -> None:
        """
        A session that a refused flush would have brought along does not exist.
        """
        events = [make_event(), make_event(data={})]
        with pytest.raises(EventConflictError):
            await store.flush(make_execution_result(events=events))
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")
        with pytest.raises(RunNotFoundError):
            await store.get_run("run_1")
        assert await store.get_latest_sequence("ses_1") == 0

    async def test_a_refused_status_keeps_the_whole_flush_out(
        self, store: SessionStore
    ) -> None:
        """
        The stored statuses, of session and run, decide what may follow.
        """
        over = make_execution_result(
            session=make_session(status=SessionStatus.COMPLETED),
            run=make_run(status=RunStatus.FAILED),
        )
        before = await store.flush(over)
        new_events = tuple(make_events(1, first=3))
        active = make_session(status=SessionStatus.ACTIVE)
        running = make_run(status=RunStatus.RUNNING)
        for result in (
            attrs.evolve(over, events=new_events, session=active),
            attrs.evolve(over, events=new_events, run=running),
        ):
            with pytest.raises(InvalidTransitionError):
                await store.flush(result)
            assert await stored_result(store) == before

    @needs(Capability.UNIQUE_IDS)
    async def test_a_flush_cannot_take_another_sessions_run(
        self, store: SessionStore
    ) -> None:
        """
        Run ids are global: the owner keeps its run, and the new session is not stored.
        """
        before = await store.flush(make_execution_result())
        thief = make_execution_result(
            session=make_session(id="ses_2"),
            run=make_run(session_id="ses_2"),
            events=make_events(1, session_id="ses_2"),
        )
        with pytest.raises(ConflictError, match="run_1"):
            await store.flush(thief)
        assert await stored_result(store) == before
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_2")

    async def test_values_that_only_the_store_gives_cannot_be_flushed(
        self, store: SessionStore
    ) -> None:
        """
        Neither a deletion nor a sequence number is the caller's to give.
        """
        deleted = make_execution_result(session=make_session(deleted_at=NOON))
        with pytest.raises(ValidationError, match="deleted_at"):
            await store.flush(deleted)
        counterfeit = make_execution_result(events=numbered(make_events(1)))
        with pytest.raises(ValidationError, match="sequence number"):
            await store.flush(counterfeit)
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")
