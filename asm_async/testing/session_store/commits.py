"""
Commits: events, a session and several runs, all or nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    InvalidTransitionError,
    RevisionConflictError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_run,
    make_session,
    numbered,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
)
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import SessionStatus

__all__ = ["TestCommits"]

_RUNNING = RunStatus.RUNNING


def _two_runs(status: RunStatus = RunStatus.PENDING) -> tuple[Run, Run]:
    return make_run(id="run_1", status=status), make_run(id="run_2", status=status)


def _events(count: int, first: int = 1) -> tuple[Event, ...]:
    return tuple(make_events(count, first=first))


class TestCommits(SessionStoreContract):
    """
    What belongs together is one transaction; what is left out is not touched.
    """

    async def test_a_commit_stores_all_of_it(self, store: SessionStore) -> None:
        """
        A session, two runs and events come back as stored, with what a store gives.
        """
        events = _events(2)
        changes = Changes(session=make_session(), runs=_two_runs(), events=events)
        committed = await store.commit(changes, expected_sequence=0)
        assert committed == Committed(
            session=make_session(revision=1),
            runs=(make_run(revision=1), make_run(id="run_2", revision=1)),
            events=tuple(numbered(events)),
        )
        assert await store.get_session("ses_1") == committed.session
        assert tuple(await store.list_runs("ses_1")) == committed.runs
        assert tuple(await store.get_events("ses_1")) == committed.events

    @pytest.mark.parametrize("culprit", ["session", "run", "event", "sequence"])
    async def test_a_commit_that_is_refused_leaves_nothing(
        self, store: SessionStore, culprit: str
    ) -> None:
        """
        Whichever part may not be stored, none of the others is.
        """
        await store.commit(
            Changes(
                session=make_session(status=SessionStatus.COMPLETED),
                runs=(make_run(id="run_2", status=RunStatus.COMPLETED),),
                events=_events(1),
            )
        )
        session = make_session(status=SessionStatus.COMPLETED, tags=["new"])
        wrong_session = make_session(status=SessionStatus.PENDING)
        first, second = _two_runs(RunStatus.COMPLETED)
        wrong_run = make_run(id="run_2", status=_RUNNING)
        event = make_event(id="evt_2")
        wrong_event = make_event(data={"other": "content"})
        before = await store.get_session("ses_1"), await store.list_runs("ses_1")
        changes = Changes(
            session=wrong_session if culprit == "session" else session,
            runs=(first, wrong_run if culprit == "run" else second),
            events=(event, wrong_event if culprit == "event" else event),
        )
        errors = {
            "event": EventConflictError,
            "sequence": SequenceConflictError,
        }
        with pytest.raises(errors.get(culprit, InvalidTransitionError)):
            await store.commit(
                changes, expected_sequence=0 if culprit == "sequence" else None
            )
        after = await store.get_session("ses_1"), await store.list_runs("ses_1")
        assert after == before
        assert await store.get_latest_sequence("ses_1") == 1

    async def test_a_session_is_created_only_if_there_is_none(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        The first caller creates it, and says so; the others leave it as it is.
        """
        created = make_session(metadata={"by": "the first"})
        first = await store.commit(Changes(create_session=created, events=_events(1)))
        assert first.session == await store.get_session("ses_1")
        again = Changes(
            create_session=make_session(metadata={"by": "the second"}),
            runs=(make_run(),),
            events=_events(1, first=2),
        )
        second = await store.commit(again)
        assert second.session is None
        assert second.events == tuple(numbered(make_events(1, first=2), first=2))
        assert await store.get_session("ses_1") == first.session
        await backend.soft_delete("ses_1")
        with pytest.raises(SessionDeletedError):
            await store.commit(again)
        await store.delete_session("ses_1")
        third = await store.commit(again)
        assert third.session is not None
        assert third.session.revision == 2
        assert third.events[0].sequence_number == 3

    async def test_of_many_that_create_a_session_one_does(
        self, open_store: OpenStore
    ) -> None:
        """
        All of them append, without a hole, and one says that it created the session.
        """
        stores = [await open_store() for _ in range(3)]

        async def create(number: int) -> Committed:
            changes = Changes(
                create_session=make_session(metadata={"by": number}),
                events=(make_event(id=f"evt_{number}"),),
            )
            return await stores[number % 3].commit(changes)

        committed = await asyncio.gather(*map(create, range(12)))
        (session,) = [each.session for each in committed if each.session is not None]
        assert await stores[0].get_session("ses_1") == session
        numbers = sorted(each.events[0].sequence_number for each in committed)
        assert numbers == list(range(1, 13))

    async def test_what_is_not_brought_along_must_be_there(
        self, store: SessionStore
    ) -> None:
        """
        Without a session of its own a commit needs a living one.
        """
        for changes in (Changes(runs=_two_runs()), Changes(events=_events(1))):
            with pytest.raises(SessionNotFoundError):
                await store.commit(changes)
        assert await store.list_runs("ses_1") == []

    async def test_the_revisions_of_runs_are_expected(
        self, store: SessionStore
    ) -> None:
        """
        A run that has moved on refuses the whole commit, also one that is not saved.
        """
        await store.commit(Changes(session=make_session(), runs=_two_runs()))
        await store.save_run(make_run(id="run_2", turn_count=1))
        event = make_event(id="evt_9")
        for changes, expected in (
            (Changes(runs=_two_runs()), {"run_1": 1, "run_2": 1}),
            (Changes(runs=(make_run(turn_count=5),)), {"run_2": 1}),
            (Changes(events=(event,)), {"run_2": 1}),
            (Changes(events=(event,)), {"run_3": 1}),
            (Changes(runs=_two_runs()), {"run_1": 0}),
        ):
            with pytest.raises(RevisionConflictError) as caught:
                await store.commit(changes, expected_revisions=expected)
            assert caught.value.actual == {"run_3": 0, "run_1": 1}.get(
                "run_1" if expected == {"run_1": 0} else list(expected)[-1], 2
            )
        assert await store.get_latest_sequence("ses_1") == 0
        assert (await store.get_run("run_1")).revision == 1
        committed = await store.commit(
            Changes(runs=(make_run(turn_count=5),), events=(event,)),
            expected_revisions={"run_1": 1, "run_2": 2},
        )
        assert committed.runs[0].revision == 2
        assert await store.get_latest_sequence("ses_1") == 1

    async def test_of_many_that_expect_a_runs_revision_one_wins(
        self, open_store: OpenStore
    ) -> None:
        """
        Equal content is no repetition: each call is an operation of its own.
        """
        stores = [await open_store() for _ in range(3)]
        await stores[0].commit(Changes(session=make_session(), runs=(make_run(),)))
        ended = make_run(status=RunStatus.TIMEOUT)

        async def end(number: int) -> Committed:
            changes = Changes(runs=(ended,), events=(make_event(id=f"evt_{number}"),))
            return await stores[number % 3].commit(
                changes, expected_revisions={"run_1": 1}
            )

        outcomes = await asyncio.gather(*map(end, range(9)), return_exceptions=True)
        (won,) = [each for each in outcomes if isinstance(each, Committed)]
        lost = [each for each in outcomes if isinstance(each, RevisionConflictError)]
        assert len(lost) == 8
        assert won.runs[0].revision == 2
        assert await stores[0].get_events("ses_1") == list(won.events)

    async def test_the_same_operation_commits_once(self, store: SessionStore) -> None:
        """
        By its id it is known, whichever of its values another has saved since.
        """
        changes = Changes(
            create_session=make_session(), runs=_two_runs(), events=_events(2)
        )
        first = await store.commit(changes, operation_id="op_1")
        assert await store.commit(changes, operation_id="op_1") == first
        moved = await store.save_run(make_run(turn_count=1))
        again = await store.commit(changes, operation_id="op_1")
        assert again.runs == (moved, first.runs[1])
        assert again.events == first.events
        assert await store.get_latest_sequence("ses_1") == 2
        other = Changes(runs=(make_run(id="run_2"),), events=(make_event(id="evt_9"),))
        with pytest.raises(ConflictError, match="op_1"):
            await store.commit(other, operation_id="op_1")
        another = await store.commit(changes, operation_id="op_2")
        assert another.session is None
        assert another.runs[0].revision == 3

    async def test_a_session_that_was_not_brought_along_is_not_returned(
        self, store: SessionStore
    ) -> None:
        """
        Though an operation of the same id has saved it.
        """
        await store.save_session(make_session(), operation_id="op_1")
        for changes in (Changes(runs=(make_run(),)), Changes(events=_events(1))):
            for _ in range(2):
                committed = await store.commit(changes, operation_id="op_1")
                assert committed.session is None

    async def test_events_that_are_stored_are_a_repetition(
        self, store: SessionStore
    ) -> None:
        """
        Though what was expected of a run does not hold any more.
        """
        await store.commit(Changes(session=make_session(), runs=(make_run(),)))
        changes = Changes(events=_events(2))
        first = await store.commit(changes, expected_revisions={"run_1": 1})
        await store.save_run(make_run(turn_count=1))
        assert await store.commit(changes, expected_revisions={"run_1": 1}) == first
        more = Changes(events=_events(3))
        with pytest.raises(RevisionConflictError):
            await store.commit(more, expected_revisions={"run_1": 1})

    async def test_a_run_of_another_session_is_no_part_of_it(
        self, store: SessionStore
    ) -> None:
        """
        It can neither be saved nor looked at.
        """
        await store.commit(Changes(session=make_session(), runs=(make_run(),)))
        await store.save_session(make_session(id="ses_2"))
        thief = make_run(session_id="ses_2", status=_RUNNING)
        event = make_event(session_id="ses_2")
        for changes in (Changes(runs=(thief,)), Changes(events=(event,))):
            with pytest.raises(ConflictError, match="run_1"):
                await store.commit(changes, expected_revisions={"run_1": 1})
        assert await store.get_latest_sequence("ses_2") == 0

    async def test_what_does_not_belong_together_is_refused(self) -> None:
        """
        Each message names the part.
        """
        session, other = make_session(), make_session(id="ses_2")
        foreign = make_run(session_id="ses_2")
        event = make_event(session_id="ses_2")
        wrong: dict[str, dict[str, Any]] = {
            r"changes: expected a session": {},
            r"create_session: ": {"session": session, "create_session": other},
            r"runs\[0\]: 'run_1' belongs": {"session": session, "runs": [foreign]},
            r"events\[0\]: 'evt_1' belongs": {"runs": [make_run()], "events": [event]},
            r"runs\[1\]: 'run_1' is given twice": {"runs": [make_run(), make_run()]},
            r"runs\[0\]: expected a": {"runs": [session]},
            r"events: expected a": {"events": "evt_1"},
        }
        for message, fields in wrong.items():
            with pytest.raises(ValidationError, match=f"^{message}"):
                Changes(**fields)
