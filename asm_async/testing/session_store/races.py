"""
Many writers that start at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import (
    ASMError,
    EventConflictError,
    RevisionConflictError,
    SequenceConflictError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    numbered,
    session_of,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import Event

__all__ = ["TestRaces"]

_WRITERS = 32
_STORES = 4


def one_winner(
    outcomes: Iterable[object], refusal: type[ASMError]
) -> tuple[object, Sequence[ASMError]]:
    """
    Take apart the one result and the refusals of all others.
    """
    refused = [outcome for outcome in outcomes if isinstance(outcome, refusal)]
    [winner] = [outcome for outcome in outcomes if not isinstance(outcome, refusal)]
    return winner, refused


@pytest.mark.usefixtures("session")
class TestRaces(SessionStoreContract):
    """
    However many write at once, each session's numbers are 1, 2, 3 and so on.
    """

    @pytest_asyncio.fixture
    async def writers(self, open_store: OpenStore) -> list[SessionStore]:
        """
        Return each writer a store, which it shares with some of the others.
        """
        stores = [await open_store() for _ in range(_STORES)]
        return stores * (_WRITERS // _STORES)

    async def test_many_tasks_append_to_one_session(self, store: SessionStore) -> None:
        """
        Each gets a number of its own; together they are 1 to 32.
        """
        stored = await run_together(
            store.append_event_with_sequence(event) for event in make_events(_WRITERS)
        )
        assert sorted(numbers_of(stored)) == list(range(1, _WRITERS + 1))
        in_order = sorted(stored, key=lambda event: event.sequence_number)
        assert await store.get_events("ses_1") == in_order

    async def test_many_tasks_append_to_as_many_sessions(
        self, store: SessionStore
    ) -> None:
        """
        Each session has the one event, under number 1.
        """
        owners = [f"ses_{number}" for number in range(1, _WRITERS + 1)]
        await run_together(
            store.save_session(make_session(id=owner)) for owner in owners
        )
        stored = await run_together(
            store.append_event_with_sequence(make_event(session_id=owner))
            for owner in owners
        )
        assert [event.session_id for event in stored] == owners
        assert numbers_of(stored) == [1] * _WRITERS
        for event in stored:
            assert await store.get_events(event.session_id) == [event]

    async def test_many_stores_append_to_one_session(
        self, writers: list[SessionStore]
    ) -> None:
        """
        It does not matter whether the writers share a store.
        """
        stored = await run_together(
            writer.append_event_with_sequence(event)
            for writer, event in zip(writers, make_events(_WRITERS), strict=True)
        )
        assert sorted(numbers_of(stored)) == list(range(1, _WRITERS + 1))
        in_order = sorted(stored, key=lambda event: event.sequence_number)
        for writer in writers[:_STORES]:
            assert await writer.get_events("ses_1") == in_order

    async def test_batches_never_interleave(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        The numbers of each batch are one block, in the order given.
        """
        sizes = [1 + number % 5 for number in range(_WRITERS)]
        batches = [
            make_events(size, first=10 * number) for number, size in enumerate(sizes)
        ]
        stored = await run_together(
            writer.append_events(batch)
            for writer, batch in zip(writers, batches, strict=True)
        )
        for batch, given in zip(stored, batches, strict=True):
            assert batch == numbered(given, first=batch[0].sequence_number)
        log = await store.get_events("ses_1")
        assert numbers_of(log) == list(range(1, sum(sizes) + 1))

    async def test_one_tasks_appends_keep_their_order(
        self, store: SessionStore
    ) -> None:
        """
        What a task appended first has the lower number, no matter who writes beside it.
        """

        async def append_in_turn(writer: int) -> list[Event]:
            events = make_events(4, first=10 * writer)
            return [await store.append_event_with_sequence(event) for event in events]

        histories = await run_together(append_in_turn(n) for n in range(8))
        for history in histories:
            assert numbers_of(history) == sorted(numbers_of(history))
        everything = [event for history in histories for event in history]
        assert sorted(numbers_of(everything)) == list(range(1, 33))

    async def test_one_event_appended_by_all_at_once_is_stored_once(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        All get the same stored event; only one number is used.
        """
        stored = await run_together(
            writer.append_event_with_sequence(make_event()) for writer in writers
        )
        assert stored == numbered([make_event()]) * _WRITERS
        assert await store.get_events("ses_1") == stored[:1]
        assert await store.get_latest_sequence("ses_1") == 1

    async def test_one_batch_appended_by_all_at_once_is_stored_once(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        All get the same block of numbers.
        """
        batch = make_events(3)
        stored = await run_together(writer.append_events(batch) for writer in writers)
        assert stored == [numbered(batch)] * _WRITERS
        assert await store.get_events("ses_1") == numbered(batch)

    async def test_of_many_contents_of_one_id_one_is_stored(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        All others are told of the conflict.
        """
        outcomes = await race(
            writer.append_event_with_sequence(make_event(data={"writer": number}))
            for number, writer in enumerate(writers)
        )
        winner, refused = one_winner(outcomes, EventConflictError)
        assert len(refused) == _WRITERS - 1
        assert await store.get_events("ses_1") == [winner]

    async def test_of_many_with_one_expected_sequence_one_wins(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        The others learn how far the session has come.
        """
        await store.append_event(make_event(id="evt_0"))
        outcomes = await race(
            writer.append_event_with_sequence(event, expected_sequence=1)
            for writer, event in zip(writers, make_events(_WRITERS), strict=True)
        )
        winner, refused = one_winner(outcomes, SequenceConflictError)
        assert [error.args for error in refused] == [("ses_1", 1, 2)] * (_WRITERS - 1)
        assert await store.get_events("ses_1", after=1) == [winner]

    async def test_of_many_flushes_with_one_expected_sequence_one_wins(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        Session, run and event of the same flush are stored, and nothing of the others.
        """
        outcomes = await race(
            writer.flush(
                make_execution_result(
                    session=make_session(agent_id=f"agent_{number}"),
                    run=make_run(id=f"run_{number}"),
                    events=make_events(1, first=number),
                ),
                expected_sequence=0,
            )
            for number, writer in enumerate(writers)
        )
        winner, refused = one_winner(outcomes, SequenceConflictError)
        assert len(refused) == _WRITERS - 1
        [run], [event] = await store.list_runs("ses_1"), await store.get_events("ses_1")
        assert winner == make_execution_result(
            session=await store.get_session("ses_1"), run=run, events=[event]
        )

    async def test_of_many_with_one_expected_revision_one_wins(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        It goes for new sessions, for stored ones and for runs.
        """
        for session_id, revision in (("ses_2", 0), ("ses_2", 1), ("ses_1", 1)):
            sessions = await race(
                writer.save_session(
                    make_session(id=session_id, agent_id=f"agent_{revision}_{number}"),
                    expected_revision=revision,
                )
                for number, writer in enumerate(writers)
            )
            winner, refused = one_winner(sessions, RevisionConflictError)
            assert len(refused) == _WRITERS - 1
            assert await store.get_session(session_id) == winner
        for revision in (0, 1):
            runs = await race(
                writer.save_run(
                    make_run(turn_count=100 * revision + number),
                    expected_revision=revision,
                )
                for number, writer in enumerate(writers)
            )
            winner, refused = one_winner(runs, RevisionConflictError)
            assert len(refused) == _WRITERS - 1
            assert await store.get_run("run_1") == winner

    async def test_of_many_that_save_the_same_content_one_wins(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        Equal content tells no caller that it was the one: sessions, runs and flushes.
        """
        result = make_execution_result()
        await store.flush(result)
        for revision in range(2, 6):
            for calls in (
                [
                    writer.save_session(make_session(), expected_revision=revision)
                    for writer in writers
                ],
                [
                    writer.save_run(make_run(), expected_revision=revision - 1)
                    for writer in writers
                ],
            ):
                outcomes = await race(calls)
                _, refused = one_winner(outcomes, RevisionConflictError)
                assert len(refused) == _WRITERS - 1
        flushes = await race(
            writer.flush(result, expected_revision=6, expected_sequence=2)
            for writer in writers
        )
        _, refused = one_winner(flushes, RevisionConflictError)
        assert len(refused) == _WRITERS - 1

    async def test_no_guarded_increment_is_lost(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        Two workers that count turns at the same time count every one of them once.
        """
        await store.save_run(make_run())

        async def count(writer: SessionStore) -> None:
            for _ in range(25):
                while True:
                    seen = await writer.get_run("run_1")
                    more = seen.increment_turn().update_token_usage({"input_tokens": 3})
                    try:
                        await writer.save_run(more, expected_revision=seen.revision)
                        break
                    except RevisionConflictError:
                        continue

        await run_together(count(writer) for writer in writers[:2])
        run = await store.get_run("run_1")
        assert (run.turn_count, run.token_usage["input_tokens"]) == (50, 150)
        assert run.revision == 51

    async def test_every_save_gets_a_revision_of_its_own(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        Of saves without expectation the one with the highest revision is what remains.
        """
        saved = await run_together(
            writer.save_session(make_session(agent_id=f"agent_{number}"))
            for number, writer in enumerate(writers)
        )
        in_order = sorted(saved, key=lambda session: session.revision)
        revisions = [session.revision for session in in_order]
        assert revisions == list(range(2, _WRITERS + 2))
        assert await store.get_session("ses_1") == in_order[-1]

    async def test_flushes_to_one_session_never_interleave(
        self, store: SessionStore, writers: list[SessionStore]
    ) -> None:
        """
        Each flush has a block of numbers and a revision of the session of its own.
        """
        flushed = await run_together(
            writer.flush(
                make_execution_result(
                    run=make_run(id=f"run_{number}"),
                    events=make_events(3, first=10 * number),
                )
            )
            for number, writer in enumerate(writers)
        )
        in_order = sorted(flushed, key=lambda result: session_of(result).revision)
        revisions = [session_of(result).revision for result in in_order]
        assert revisions == list(range(2, _WRITERS + 2))
        numbers = [numbers_of(result.events) for result in in_order]
        assert numbers == [[n, n + 1, n + 2] for n in range(1, 3 * _WRITERS, 3)]
        assert await store.get_session("ses_1") == attrs.evolve(
            make_session(), revision=_WRITERS + 1
        )
