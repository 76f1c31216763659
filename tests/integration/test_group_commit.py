"""
Operations that share a transaction, on the databases themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import TypeAlias

import attrs
import pytest

from asm_async.errors import (
    EventConflictError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    StorageError,
    StoreClosedError,
)
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.sql.transactions.connections import Pooled
from asm_async.sql.writes.append_plan import AppendPlan
from asm_async.sql.writes.operations import Operation
from asm_async.sql.writes.queue import Ended, Interrupt
from asm_async.sql.writes.writer import Writer
from asm_async.testing.concurrency import race
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
from asm_async.values.event import Event
from tests.backends import SQLBackend

Tries: TypeAlias = list[int]

POISON = {
    "sqlite": [
        """
        CREATE TRIGGER poison BEFORE INSERT ON asm_events WHEN NEW.id = 'evt_37'
        BEGIN SELECT RAISE(ABORT, 'poisoned'); END
        """
    ],
    "postgresql": [
        """
        CREATE FUNCTION poison() RETURNS TRIGGER LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'poisoned'; END $$
        """,
        """
        CREATE TRIGGER poison BEFORE INSERT ON asm_events FOR EACH ROW
        WHEN (NEW.id = 'evt_37') EXECUTE FUNCTION poison()
        """,
    ],
}


@pytest.fixture
async def backend(url: str) -> AsyncIterator[SQLBackend]:
    """
    Yield a backend on each database in turn, which asserts that no connection is kept.
    """
    async with SQLBackend(url) as backend:
        yield backend


@pytest.fixture
async def store(backend: SQLBackend) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store that has the session ``ses_1``.
    """
    store = await backend.open_store()
    assert isinstance(store, SQLSessionStore)
    await store.save_session(make_session())
    yield store
    await store.aclose()


@pytest.fixture
def tries(store: SQLSessionStore, monkeypatch: pytest.MonkeyPatch) -> Tries:
    """
    Note how many operations each of the store's transactions holds.
    """
    writer, sizes = store._groups._writer, Tries()
    assert isinstance(writer, Writer)
    start = writer._start

    def noted(
        pooled: Pooled,
        operations: Sequence[Operation],
        timeout: float,
        ended: Ended,
        lock: asyncio.Lock | None,
    ) -> Interrupt:
        sizes.append(len(operations))
        return start(pooled, operations, timeout, ended, lock)

    monkeypatch.setattr(writer, "_start", noted)
    return sizes


async def in_order(calls: Iterable[Awaitable[object]]) -> list[object]:
    """
    Make *calls* at once, the first one first, and give what comes of each.
    """
    return await asyncio.gather(*calls, return_exceptions=True)


def numbers(events: Sequence[Event]) -> list[int]:
    """
    Return the events' sequence numbers.
    """
    return [event.sequence_number for event in events]


def kinds(outcomes: Sequence[object]) -> list[str]:
    """
    Return the names of the outcomes' classes.
    """
    return [type(outcome).__name__ for outcome in outcomes]


async def test_thirty_two_appends_cost_three_transactions_at_most(
    store: SQLSessionStore, tries: Tries
) -> None:
    """
    What waits at the same time is written at the same time, numbered without a hole.
    """
    stored = await asyncio.gather(
        *(store.append_event_with_sequence(event) for event in make_events(32))
    )

    assert sum(tries) == 32
    assert len(tries) <= 3
    assert numbers(stored) == list(range(1, 33))
    assert await store.get_events("ses_1") == stored


async def test_thirty_two_writers_with_one_expectation_cost_one_transaction(
    store: SQLSessionStore, tries: Tries
) -> None:
    """
    Exactly one wins; the others hear of it without a transaction of their own.
    """
    outcomes = await race(
        store.append_event_with_sequence(event, expected_sequence=0)
        for event in make_events(32)
    )
    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Event)]
    lost = [o for o in outcomes if isinstance(o, SequenceConflictError)]

    assert sum(tries) == 32
    assert len(tries) <= 2
    assert [(error.expected, error.actual) for error in lost] == [(0, 1)] * 31
    assert await store.get_events("ses_1") == [won]


async def test_one_of_a_hundred_is_poisoned(
    store: SQLSessionStore, tries: Tries
) -> None:
    """
    An error of the database's that nobody could foresee is its culprit's alone.
    """
    async with store.engine.begin() as conn:
        for statement in POISON[conn.dialect.name]:
            await conn.exec_driver_sql(statement)
    outcomes = await race(
        store.append_event_with_sequence(event) for event in make_events(100)
    )
    failed = outcomes.pop(36)

    assert type(failed) is StorageError
    assert "poisoned" in str(failed)
    assert not failed.outcome_unknown
    assert len(tries) <= 20
    stored = [outcome for outcome in outcomes if isinstance(outcome, Event)]
    assert sorted(numbers(stored)) == list(range(1, 100))
    assert {e.id for e in await store.get_events("ses_1")} == {e.id for e in stored}


async def test_a_trigger_may_roll_the_transaction_back(
    migrated_sqlite_url: str,
) -> None:
    """
    What it says is heard, and not that there is nothing left to roll back.
    """
    engine = create_engine(migrated_sqlite_url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    async with engine.begin() as conn:
        for statement in POISON["sqlite"]:
            await conn.exec_driver_sql(statement.replace("ABORT", "ROLLBACK"))
    with pytest.raises(StorageError, match="poisoned"):
        await store.append_event(make_event(id="evt_37"))

    await store.append_event(make_event())
    assert await store.get_latest_sequence("ses_1") == 1
    await store.aclose()
    await engine.dispose()


async def test_a_group_that_cannot_be_planned_holds_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its callers hear why, and neither lock nor connection is missing afterwards.
    """

    def run_out(*_: object) -> bool:
        raise MemoryError

    engine = create_engine(url, pool_size=1, max_overflow=0)
    store = SQLSessionStore(engine, timeout=5)
    await store.save_session(make_session())
    with monkeypatch.context() as patch:
        patch.setattr(AppendPlan, "add", run_out)
        appending = map(store.append_event, make_events(3))
        told = await asyncio.gather(*appending, return_exceptions=True)
        assert list(map(type, told)) == [MemoryError] * 3
    await store.append_event(make_event())

    assert await store.get_latest_sequence("ses_1") == 1
    await store.aclose()
    await engine.dispose()


async def test_duplicates_within_a_group_and_across_groups_are_stored_once(
    store: SQLSessionStore, tries: Tries
) -> None:
    """
    Whoever brings an event, alone or among others, is given the same numbers.
    """
    events = make_events(3)
    calls = [events, events[1:], events[::-1], events[:1]]
    together = await asyncio.gather(*map(store.append_events, calls))
    assert len(tries) == 1
    afterwards = await asyncio.gather(*map(store.append_events, calls))

    assert together == afterwards
    assert [numbers(stored) for stored in together] == [
        [1, 2, 3],
        [2, 3],
        [3, 2, 1],
        [1],
    ]
    assert await store.get_events("ses_1") == numbered(events)


async def test_of_conflicting_events_exactly_one_wins(
    store: SQLSessionStore, tries: Tries
) -> None:
    """
    One id with eight contents, in one group: one is stored, seven are refused.
    """
    outcomes = await in_order(
        store.append_event_with_sequence(make_event(data={"content": number}))
        for number in range(8)
    )

    assert len(tries) == 1
    assert kinds(outcomes) == ["Event"] + ["EventConflictError"] * 7
    assert await store.get_events("ses_1") == outcomes[:1]


async def test_refusals_cost_the_others_nothing(
    backend: SQLBackend, store: SQLSessionStore, tries: Tries
) -> None:
    """
    Each refused caller hears its own reason; the rest is stored in one transaction.
    """
    await store.save_session(make_session(id="ses_deleted"))
    await backend.soft_delete("ses_deleted")
    await store.append_event(make_event(id="taken"))
    tries.clear()
    accepted = make_events(10)
    outcomes = await in_order(
        [
            *map(store.append_event_with_sequence, accepted[:5]),
            store.append_event_with_sequence(make_event(session_id="ses_none")),
            store.append_event_with_sequence(make_event(session_id="ses_deleted")),
            store.append_event_with_sequence(make_event(id="taken", data={})),
            store.append_event_with_sequence(make_event(id="new"), expected_sequence=9),
            *map(store.append_event_with_sequence, accepted[5:]),
        ]
    )
    refused = outcomes[5:9]

    assert len(tries) == 1
    assert [type(refusal) for refusal in refused] == [
        SessionNotFoundError,
        SessionDeletedError,
        EventConflictError,
        SequenceConflictError,
    ]
    stored = await store.get_events("ses_1")
    assert [*outcomes[:5], *outcomes[9:]] == numbered(accepted, first=2) == stored[1:]


async def test_everything_rides_in_one_group(
    store: SQLSessionStore, tries: Tries
) -> None:
    """
    A session created, appended to, saved again and flushed, in the order it was asked.
    """
    session = make_session(id="ses_new")
    first, one, second, run, flushed, four = await asyncio.gather(
        store.save_session(session),
        store.append_event_with_sequence(make_event(session_id="ses_new")),
        store.save_session(attrs.evolve(session, tags=("new",))),
        store.save_run(make_run(session_id="ses_new")),
        store.flush(
            make_execution_result(
                session=session,
                run=make_run(session_id="ses_new"),
                events=make_events(2, first=2, session_id="ses_new"),
            )
        ),
        store.append_event_with_sequence(make_event(id="evt_4", session_id="ses_new")),
    )

    assert len(tries) == 1
    assert [first.revision, second.revision, session_of(flushed).revision] == [1, 2, 3]
    assert [run.revision, run_of(flushed).revision] == [1, 2]
    assert numbers([one, *flushed.events, four]) == [1, 2, 3, 4]
    assert await store.get_session("ses_new") == flushed.session
    assert await store.get_events("ses_new") == [one, *flushed.events, four]


async def test_a_store_that_is_closed_finishes_what_it_accepted(
    store: SQLSessionStore,
) -> None:
    """
    Closed under load, it stores all that came before, and refuses what comes after.
    """
    before = [
        asyncio.create_task(store.append_event_with_sequence(event))
        for event in make_events(100)
    ]
    await asyncio.sleep(0)
    closing_ = asyncio.create_task(store.aclose())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosedError):
        await store.append_event(make_event(id="late"))
    async with asyncio.timeout(10):
        await closing_

    assert all(task.done() for task in before)
    assert numbers([task.result() for task in before]) == list(range(1, 101))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    again = SQLSessionStore(store.engine)
    assert await again.get_latest_sequence("ses_1") == 100
