"""
Removing sessions and events for good.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import (
    RevisionConflictError,
    RunNotFoundError,
    SequenceConflictError,
    SessionNotFoundError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, SessionStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    numbered,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.session import SessionStatus

__all__ = ["TestDeletions", "TestPruning"]


class TestDeletions(SessionStoreContract):
    """
    A deleted session is gone with all it had, but for the numbers it has used.
    """

    async def test_a_deleted_session_takes_runs_and_events_along(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Whatever is asked about it, from whatever store, it was never there.
        """
        await store.flush(make_execution_result())
        await store.delete_session("ses_1")
        for opened in (store, await open_store()):
            with pytest.raises(SessionNotFoundError):
                await opened.get_session("ses_1")
            with pytest.raises(RunNotFoundError):
                await opened.get_run("run_1")
            assert await opened.list_sessions(include_deleted=True) == []
            assert await opened.list_runs("ses_1") == []
            assert await opened.get_active_run("ses_1") is None
            assert await opened.get_events("ses_1") == []
            assert await opened.get_latest_sequence("ses_1") == 0

    async def test_deletion_leaves_other_sessions_alone(
        self, store: SessionStore
    ) -> None:
        """
        Only the one session of this id goes, not its children nor its namesakes.
        """
        child = make_session(id="ses_2", parent_session_id="ses_1")
        flushed = await store.flush(
            make_execution_result(
                session=child,
                run=make_run(id="run_2", session_id="ses_2"),
                events=make_events(2, session_id="ses_2"),
            )
        )
        await store.flush(make_execution_result())
        await store.delete_session("ses_1")
        assert await store.list_sessions() == [flushed.session]
        assert await store.list_runs("ses_2") == [flushed.run]
        assert await store.get_events("ses_2") == list(flushed.events)

    async def test_deleting_an_unknown_session_does_nothing(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Deletion is idempotent and leaves no trace of what never was.
        """
        await store.delete_session("ses_unknown")
        assert "ses_unknown" not in await backend.gates()
        await store.flush(make_execution_result())
        for _ in range(2):
            await store.delete_session("ses_1")
        assert await store.list_sessions() == []

    async def test_a_gone_session_cannot_be_written_to(
        self, store: SessionStore
    ) -> None:
        """
        Neither an event nor a run brings it back.
        """
        await store.flush(make_execution_result())
        await store.delete_session("ses_1")
        with pytest.raises(SessionNotFoundError):
            await store.append_event(make_event())
        with pytest.raises(SessionNotFoundError):
            await store.append_event(make_event(id="evt_3"), expected_sequence=2)
        with pytest.raises(SessionNotFoundError):
            await store.save_run(make_run())
        assert await store.get_events("ses_1") == []

    async def test_the_counter_of_a_gone_session_stays(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        What is left is a tombstone that knows the last number.
        """
        await store.flush(make_execution_result())
        await store.delete_session("ses_1")
        gates = await backend.gates()
        assert gates["ses_1"] == Gate(latest=2, stored=0, pruned=2, state="deleted")

    async def test_saving_a_gone_id_makes_a_new_session_whose_numbers_go_on(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        The status begins again, ids are free again; no number, no revision is reused.
        """
        over = make_session(status=SessionStatus.COMPLETED)
        await store.flush(make_execution_result(session=over))
        await store.delete_session("ses_1")
        session = await store.save_session(make_session(), expected_revision=0)
        assert session == make_session(revision=2)
        assert await store.get_events("ses_1") == []
        assert await store.list_runs("ses_1") == []
        assert await store.get_latest_sequence("ses_1") == 2
        stored = await store.append_events(make_events(2))
        assert stored == numbered(make_events(2), first=3)
        gates = await backend.gates()
        assert gates["ses_1"] == Gate(latest=4, stored=2, pruned=2, state="live")

    async def test_the_numbers_go_on_however_often_a_session_is_deleted(
        self, store: SessionStore
    ) -> None:
        """
        Each life of the session begins where the one before ended, also by a flush.
        """
        numbers: list[int] = []
        for life in range(1, 5):
            flushed = await store.flush(make_execution_result())
            revisions = session_of(flushed).revision, run_of(flushed).revision
            assert revisions == (life, life)
            numbers += numbers_of(flushed.events)
            await store.delete_session("ses_1")
        assert numbers == list(range(1, 9))

    async def test_a_reborn_session_expects_the_number_it_goes_on_from(
        self, store: SessionStore
    ) -> None:
        """
        What was expected of its former life holds no more.
        """
        await store.flush(make_execution_result())
        await store.delete_session("ses_1")
        await store.save_session(make_session())
        with pytest.raises(SequenceConflictError) as caught:
            await store.append_event(make_event(), expected_sequence=0)
        assert caught.value.actual == 2
        stored = await store.append_event_with_sequence(
            make_event(), expected_sequence=2
        )
        assert stored.sequence_number == 3

    async def test_a_flush_that_brings_a_gone_session_back_expects_its_last_number(
        self, store: SessionStore
    ) -> None:
        """
        A session that was never there is at 0, one that is gone is not.
        """
        await store.flush(make_execution_result())
        await store.delete_session("ses_1")
        with pytest.raises(SequenceConflictError) as caught:
            await store.flush(make_execution_result(), expected_sequence=0)
        assert caught.value.actual == 2
        flushed = await store.flush(make_execution_result(), expected_sequence=2)
        assert numbers_of(flushed.events) == [3, 4]

    @needs(Capability.UNIQUE_IDS)
    async def test_the_ids_of_a_gone_sessions_runs_are_free(
        self, store: SessionStore
    ) -> None:
        """
        Another session may take them; their revisions go on.
        """
        await store.flush(make_execution_result())
        await store.save_run(make_run())
        await store.delete_session("ses_1")
        await store.save_session(make_session(id="ses_2"))
        for expected in (1, 2):
            with pytest.raises(RevisionConflictError) as caught:
                await store.save_run(
                    make_run(session_id="ses_2"), expected_revision=expected
                )
            assert caught.value.actual == 0
        run = await store.save_run(make_run(session_id="ses_2"), expected_revision=0)
        assert run == make_run(session_id="ses_2", revision=3)
        await store.delete_session("ses_2")
        again = await store.flush(make_execution_result())
        assert run_of(again).revision == 4

    async def test_what_was_expected_of_a_former_life_holds_no_more(
        self, store: SessionStore
    ) -> None:
        """
        No revision of an id stands for two contents, however often it was deleted.
        """
        seen: dict[tuple[str, int], object] = {}
        for life in range(3):
            made = make_session(agent_id=f"agent_{life}")
            for session in (made, attrs.evolve(made, tags=("a",))):
                run = make_run(turn_count=len(seen))
                result = ExecutionResult(session=session, run=run)
                flushed = await store.flush(result)
                for saved in (session_of(flushed), run_of(flushed)):
                    assert (saved.id, saved.revision) not in seen
                    seen[saved.id, saved.revision] = saved
            await store.delete_session("ses_1")
        last = await store.save_session(make_session())
        for revision in range(1, last.revision):
            with pytest.raises(RevisionConflictError):
                await store.save_session(make_session(), expected_revision=revision)
        assert await store.get_session("ses_1") == last


@pytest.mark.usefixtures("session")
class TestPruning(SessionStoreContract):
    """
    A session whose events were pruned goes on as if they were still there.
    """

    async def test_pruning_renumbers_nothing(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        What is left keeps its numbers, and reads go over the gaps.
        """
        events = await store.append_events(make_events(6))
        await backend.prune("ses_1", [1, 3, 4])
        left = [events[1], events[4], events[5]]
        assert await store.get_events("ses_1") == left
        assert await store.get_events("ses_1", after=2, limit=1) == left[1:2]
        assert await store.get_events("ses_1", last=2) == left[1:]
        gates = await backend.gates()
        assert gates["ses_1"] == Gate(latest=6, stored=3, pruned=3, state="live")

    async def test_pruning_the_latest_events_sets_no_number_free(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        The latest number stays the latest, for reads, expectations and the next append.
        """
        await store.append_events(make_events(3))
        await backend.prune("ses_1", [1, 2, 3])
        assert await store.get_latest_sequence("ses_1") == 3
        fourth = make_event(id="evt_4")
        with pytest.raises(SequenceConflictError):
            await store.append_event(fourth, expected_sequence=0)
        stored = await store.append_event_with_sequence(fourth, expected_sequence=3)
        assert stored == attrs.evolve(fourth, sequence_number=4)

    async def test_idempotence_ends_when_the_event_is_pruned(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        An id that is stored no more is new, with whatever content.
        """
        await store.append_events(make_events(2))
        await backend.prune("ses_1", [1])
        other = make_event(data={"content": "other"})
        stored = await store.append_events([other, make_event(id="evt_2")])
        assert numbers_of(stored) == [3, 2]

    async def test_a_call_whose_events_were_pruned_is_forgotten(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Nothing tells any more that it succeeded, so its expectation is not met.
        """
        await store.append_events(make_events(2), expected_sequence=0)
        await backend.prune("ses_1", [2])
        with pytest.raises(SequenceConflictError) as caught:
            await store.append_events(make_events(2), expected_sequence=0)
        assert caught.value.actual == 2
