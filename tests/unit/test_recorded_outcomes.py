"""
Recorded runs over a store that does not say what became of a commit.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.memory import InMemorySessionStore
from asm_async.recording import record_run, record_session
from asm_async.testing.factories import make_session
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import EventType
from asm_async.values.run import Run, RunStatus


class UncertainStore(InMemorySessionStore):
    """
    A store that loses its connection, behind or before a commit.
    """

    lost_behind = 0
    lost_before = 0

    async def commit(self, changes: Changes, **options: Any) -> Committed:
        """
        Commit, unless the connection is lost before; say nothing if it is lost behind.
        """
        if self.lost_before:
            self.lost_before -= 1
            raise StorageUnavailableError("no connection")
        committed = await super().commit(changes, **options)
        if self.lost_behind:
            self.lost_behind -= 1
            raise StorageUnavailableError("connection lost", outcome_unknown=True)
        return committed


@pytest.fixture
async def store() -> UncertainStore:
    """
    Return such a store, with one session.
    """
    store = UncertainStore()
    await store.save_session(make_session())
    return store


async def types_of(store: UncertainStore) -> list[str]:
    """
    Return the types of the session's events, in order.
    """
    return [str(event.type) for event in await store.get_events("ses_1")]


async def test_a_commit_whose_outcome_is_unknown_is_repeated(
    store: UncertainStore,
) -> None:
    """
    Beginning, step and end are looked into once, and stand in the log once.
    """
    store.lost_behind = 1
    async with record_run(store, "ses_1") as run:
        store.lost_behind = 1
        run.add_usage({"input_tokens": 3, "output_tokens": 1})
        await run.message_sent("Hello")
        store.lost_behind = 1
    ended = await store.get_run(run.id)

    assert await types_of(store) == ["run_started", "message_sent", "run_completed"]
    assert (ended.status, ended.total_tokens) == (RunStatus.COMPLETED, 4)


async def test_a_session_whose_beginning_is_unknown_is_begun_once(
    store: UncertainStore,
) -> None:
    """
    So are the beginning and the end of a session.
    """
    await store.delete_session("ses_1")
    store.lost_behind = 1
    async with record_session(store, make_session(), complete=True):
        store.lost_behind = 1

    assert await types_of(store) == [
        "session_created",
        "session_started",
        "session_completed",
    ]


@pytest.mark.parametrize("is_saved_by_others", [False, True])
async def test_a_step_that_stays_unknown_can_be_repeated(
    store: UncertainStore, *, is_saved_by_others: bool
) -> None:
    """
    Made again it is the same step, and what it changes of the run is counted once.
    """

    def rename(run: Run) -> Run:
        return attrs.evolve(run, metadata={"name": "renamed"})

    async with record_run(store, "ses_1") as run:
        run.add_usage({"input_tokens": 3, "output_tokens": 1})
        store.lost_behind = 2
        with pytest.raises(StorageError):
            await run.message_sent("Hello")
        if is_saved_by_others:
            await store.update_run(run.id, rename)
        stored = await run.message_sent("Hello")
        again = await run.message_sent("Hello")
    ended = await store.get_run(run.id)

    assert (stored.sequence_number, again.sequence_number) == (2, 3)
    assert ended.total_tokens == 4
    assert ended.metadata == ({"name": "renamed"} if is_saved_by_others else {})


async def test_a_step_that_stays_unknown_does_not_hold_up_the_next_one(
    store: UncertainStore,
) -> None:
    """
    Another step, or the end, first makes certain of the one before.
    """
    async with record_run(store, "ses_1") as run:
        store.lost_behind = 2
        with pytest.raises(StorageError):
            await run.message_sent("Hello")
        await run.message_received("Hello")
        store.lost_behind = 2
        with pytest.raises(StorageError):
            await run.turn_completed()

    assert await types_of(store) == [
        "run_started",
        "message_sent",
        "message_received",
        "turn_completed",
        "run_completed",
    ]
    assert (await store.get_run(run.id)).turn_count == 1


async def test_a_step_that_failed_is_not_written_later(store: UncertainStore) -> None:
    """
    What its caller knows not to be written is not; usage waits for the next step.
    """
    async with record_run(store, "ses_1") as run:
        run.add_usage({"input_tokens": 3, "output_tokens": 1})
        store.lost_before = 1
        with pytest.raises(StorageUnavailableError):
            await run.turn_completed()
        await run.message_received("Hello")
        stored = await store.get_run(run.id)

    assert await types_of(store) == ["run_started", "message_received", "run_completed"]
    assert (stored.total_tokens, stored.turn_count) == (4, 0)


async def test_a_database_that_is_gone_hides_no_exception(
    store: UncertainStore,
) -> None:
    """
    If a run cannot be ended, what left its block does so, with a note of that.
    """
    error = ValueError("wrong")

    async def fail() -> None:
        async with record_run(store, "ses_1"):
            store.lost_before = 1
            raise error

    with pytest.raises(ValueError, match="wrong"):
        await fail()
    with pytest.raises(StorageUnavailableError):
        async with record_run(store, "ses_1"):
            store.lost_before = 1

    (note,) = error.__notes__
    assert note.endswith("was not ended: no connection")
    events = await store.get_events("ses_1")
    assert [event.type for event in events] == [EventType.RUN_STARTED] * 2
