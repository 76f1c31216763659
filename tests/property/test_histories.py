"""
Whatever a store that keeps its promises is asked for, its history is accepted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_async import RunStatus, SessionStatus
from asm_async.errors import ASMError
from asm_async.memory import InMemoryEventFeed, InMemorySessionStore
from asm_async.memory.database import InMemoryDatabase
from asm_async.testing.factories import (
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.history import (
    Call,
    HistoryWriter,
    Outcome,
    RecordingSessionStore,
    find_violations,
    read_contents,
    read_history,
    record_all,
)
from tests.backends import InMemoryBackend
from tests.effort import examples

SESSIONS = ("ses_1", "ses_2")
session_ids = st.sampled_from(SESSIONS)
event_ids = st.sampled_from([f"evt_{number}" for number in range(12)])
expectations = st.none() | st.integers(0, 6)
PENDING = SessionStatus.PENDING
statuses = st.sampled_from([PENDING, SessionStatus.ACTIVE])


@attrs.frozen
class Order:
    """
    What to do, and how many turns of the loop to wait before and within it.
    """

    operation: str
    session_id: str
    events: list[tuple[str, str]]
    expected: int | None
    status: SessionStatus
    turns: int


orders = st.builds(
    Order,
    st.sampled_from(
        ["save_session", "save_run", "append_event", "flush", "delete", "prune", "read"]
        + 4 * ["append_events"]
    ),
    session_ids,
    st.lists(st.tuples(session_ids, event_ids), max_size=4),
    expectations,
    statuses,
    st.integers(0, 3),
)


class SlowStore(InMemorySessionStore):
    """
    A store whose calls take some turns of the loop, so that they overlap.
    """

    def __init__(self, database: InMemoryDatabase, chance: random.Random) -> None:
        super().__init__(database)
        self._chance = chance

    def __getattribute__(self, name: str) -> object:
        value = super().__getattribute__(name)
        if name.startswith("_") or not callable(value):
            return value
        return self._slow(value)

    def _slow(self, method: Callable[..., Any]) -> object:
        async def call(*args: object, **options: object) -> object:
            await _turn(self._chance.randrange(3))
            result = await method(*args, **options)
            await _turn(self._chance.randrange(3))
            return result

        return call


async def _turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def obey(
    store: RecordingSessionStore, database: InMemoryDatabase, order: Order
) -> None:
    """
    Do what is ordered; it may be refused.
    """
    id_, expected = order.session_id, order.expected
    await _turn(order.turns)
    events = [make_event(id=name, session_id=owner) for owner, name in order.events]
    match order.operation:
        case "save_session":
            session = make_session(id=id_, status=order.status)
            await store.save_session(session, expected_revision=expected)
        case "save_run":
            run = make_run(id=f"run_{id_}", session_id=id_, status=RunStatus.RUNNING)
            await store.save_run(run, expected_revision=expected)
        case "append_event":
            for event in events[:1]:
                await store.append_event(event, expected_sequence=expected)
        case "append_events":
            await store.append_events(events, expected_sequence=expected)
        case "flush":
            result = make_execution_result(
                session=make_session(id=id_, status=order.status),
                run=make_run(id=f"run_{order.turns}_{id_}", session_id=id_),
                events=[attrs.evolve(event, session_id=id_) for event in events],
            )
            await store.flush(result, expected_sequence=expected)
        case "delete":
            await store.delete_session(id_)
        case "prune":
            database.prune(id_, list(range(1, (expected or 0) + 1)))
        case _:
            await store.get_events(id_, after=expected)
            await store.get_latest_sequence(id_)


async def play(
    scripts: Sequence[Sequence[Order]], seed: int, directory: Path
) -> InMemoryDatabase:
    """
    Let processes do what they are ordered to at the same time.

    Returns:
        What they leave behind; their histories are in *directory*.
    """
    database, clock = InMemoryDatabase(), count().__next__
    chance = random.Random(seed)

    async def follow() -> None:
        with HistoryWriter(directory / "follower.jsonl", clock=clock) as history:
            async for _ in record_all(history, InMemoryEventFeed(database)):
                pass

    async def work(number: int, script: Sequence[Order]) -> None:
        path = directory / f"process-{number}.jsonl"
        with HistoryWriter(path, clock=clock) as history:
            store = RecordingSessionStore(SlowStore(database, chance), history)
            for order in script:
                with suppress(ASMError):
                    await obey(store, database, order)

    following = asyncio.create_task(follow())
    openings = [Order("save_session", id_, [], None, PENDING, 0) for id_ in SESSIONS]
    await work(-1, openings)
    await asyncio.gather(*(work(*script) for script in enumerate(scripts)))
    await _turn(30)
    following.cancel()
    await asyncio.wait({following})
    return database


def killed(call: Call) -> Call:
    """
    Return the call as one whose caller never learnt how it ended.
    """
    return attrs.evolve(
        call, end=None, outcome=Outcome.UNKNOWN, result=None, error=None
    )


@settings(max_examples=examples(100))
@given(
    scripts=st.lists(st.lists(orders, max_size=12), min_size=1, max_size=3),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_a_history_of_kept_promises_is_accepted(
    scripts: list[list[Order]], seed: int, data: st.DataObject
) -> None:
    """
    Calls that overlap, are refused or forgotten are no violations.
    """
    with TemporaryDirectory() as directory, asyncio.Runner() as runner:
        database = runner.run(play(scripts, seed, Path(directory)))
        calls = [c for path in Path(directory).iterdir() for c in read_history(path)]
        gates = runner.run(InMemoryBackend(database).gates())
        store = InMemorySessionStore(database)
        contents = runner.run(read_contents(store, SESSIONS, gates=gates))
    forgotten = data.draw(st.sets(st.sampled_from(range(len(calls))))) if calls else ()
    seen = [
        killed(call) if place in forgotten else call for place, call in enumerate(calls)
    ]

    assert list(find_violations(seen, contents)) == []
