"""
Flushing with an expected sequence number.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import (
    InvalidTransitionError,
    SequenceConflictError,
    SessionNotFoundError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import SessionStoreContract, numbers_of
from asm_async.values.run import RunStatus

__all__ = ["TestExpectedFlushes"]


class TestExpectedFlushes(SessionStoreContract):
    """
    A flush that expects n succeeds only where the session's latest number is n.
    """

    async def test_a_flush_that_expects_the_latest_number_succeeds(
        self, store: SessionStore
    ) -> None:
        """
        A new session is expected to be at 0.
        """
        first = await store.flush(make_execution_result(), expected_sequence=0)
        second = make_execution_result(events=make_events(2, first=3))
        flushed = await store.flush(second, expected_sequence=2)
        assert numbers_of([*first.events, *flushed.events]) == [1, 2, 3, 4]
        assert (session_of(flushed).revision, run_of(flushed).revision) == (2, 2)

    async def test_another_latest_number_keeps_the_whole_flush_out(
        self, store: SessionStore
    ) -> None:
        """
        The error carries the actual number; session and run stay as they are too.
        """
        before = await store.flush(make_execution_result())
        late = make_execution_result(
            session=make_session(agent_id="other"),
            run=make_run(turn_count=1),
            events=make_events(1, first=3),
        )
        for expected in (0, 1, 3):
            with pytest.raises(SequenceConflictError) as caught:
                await store.flush(late, expected_sequence=expected)
            assert caught.value.actual == 2
        assert await store.get_session("ses_1") == before.session
        assert await store.get_run("run_1") == before.run
        assert await store.get_latest_sequence("ses_1") == 2

    async def test_a_new_session_is_at_0(self, store: SessionStore) -> None:
        """
        Expecting more of a session that is not stored is a conflict and stores nothing.
        """
        with pytest.raises(SequenceConflictError) as caught:
            await store.flush(make_execution_result(), expected_sequence=1)
        assert caught.value.actual == 0
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")

    async def test_a_flush_that_has_succeeded_succeeds_again(
        self, store: SessionStore
    ) -> None:
        """
        Nothing is written: revisions and numbers stay as they are.
        """
        first = await store.flush(make_execution_result(), expected_sequence=0)
        again = await store.flush(make_execution_result(), expected_sequence=0)
        assert again == first
        assert await store.get_session("ses_1") == first.session
        assert await store.get_run("run_1") == first.run

    async def test_a_repeated_flush_gives_what_is_stored_now(
        self, store: SessionStore
    ) -> None:
        """
        What has moved on since is neither undone nor hidden, nor is it an error.
        """
        result = make_execution_result(
            run=make_run(status=RunStatus.RUNNING), provider_metadata={"model": "large"}
        )
        first = await store.flush(result, expected_sequence=0)
        session = await store.save_session(make_session(agent_id="other"))
        run = await store.save_run(make_run(status=RunStatus.COMPLETED))
        await store.append_event(make_event(id="evt_9"))
        again = await store.flush(result, expected_sequence=0)
        assert again == attrs.evolve(first, session=session, run=run)
        assert await store.get_run("run_1") == run

    async def test_a_flush_whose_events_lie_elsewhere_was_another_call(
        self, store: SessionStore
    ) -> None:
        """
        Only events directly behind the number tell that the call has succeeded before.
        """
        result = make_execution_result()
        await store.save_session(make_session())
        await store.append_events([make_event(id="evt_0"), *result.events])
        with pytest.raises(SequenceConflictError) as caught:
            await store.flush(result, expected_sequence=0)
        assert caught.value.actual == 3

    async def test_an_expectation_that_is_met_does_not_lift_other_rules(
        self, store: SessionStore
    ) -> None:
        """
        A status that may not follow is refused all the same.
        """
        over = make_execution_result(run=make_run(status=RunStatus.COMPLETED))
        await store.flush(over, expected_sequence=0)
        back = make_execution_result(
            run=make_run(status=RunStatus.RUNNING), events=make_events(1, first=3)
        )
        with pytest.raises(InvalidTransitionError):
            await store.flush(back, expected_sequence=2)
        assert await store.get_latest_sequence("ses_1") == 2
