"""
Calls that share a transaction come to what they come to one after the other.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.errors import ASMError
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from asm_async.values.changes import Changes, Committed
from asm_async.values.run import RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem
from tests.effort import examples
from tests.integration.both_ways import outcomes_of

SESSIONS = ["a", 'é😀"\\', "x\x1fy", "d"]
RUNS = ["r1", "r2", "r\x1f"]
KEYS = ["k1", "k\x1f"]
EVENTS = [f"e{number}" for number in range(8)]
TENANTS = [*[None] * 9, "t\x1f"]
JSON = [
    {},
    {"a": -0.0, "b": 2**63, "c": 10**40},
    {"s": "\ud800", "n": "\0", "u": "\x1f"},
    {"": [True, 1, 1.0, None, 5e-324]},
]
TAGS = [*[()] * 9, ("x",), ("é😀", '"\\'), ("\x1f",)]


class Script:
    """
    The same calls for any ports, however often it is begun again.

    Args:
        seed: What it is made of.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0

    def _one(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def _is_now(self) -> bool:
        # Of few calls all are usual, and else none is in a group.
        return self._random.random() < 1 / 10

    def _session(self, session_id: str) -> Session:
        return make_session(
            id=session_id,
            status=self._one(*SessionStatus, *[SessionStatus.ACTIVE] * 20),
            tenant_id=self._one(*TENANTS),
            metadata=self._one(*JSON),
            tags=self._one(*TAGS),
        )

    def changes(self, session_id: str) -> tuple[Changes, dict[str, Any]]:
        """
        Make a commit to a session, and what it expects.
        """
        self._count += 1
        event_ids = [f"new {self._count}"]
        if self._is_now():
            event_ids += self._random.sample(EVENTS, 2)
        run = make_run(
            id=self._one(*RUNS),
            session_id=session_id,
            status=self._one(*RunStatus, *[RunStatus.RUNNING] * 20),
            output=self._one(*JSON, None),
            cost_usd=self._one(None, 0.1, 1e15),
        )
        item = make_item(
            key=self._one(*KEYS),
            data=self._one(*JSON),
            session_id=self._one(None, session_id, *SESSIONS),
        )
        changes = Changes(
            session=self._one(None, self._session(session_id)),
            runs=self._one((), (run,)),
            events=tuple(make_event(id=i, session_id=session_id) for i in event_ids),
            items=self._one((), (), (item,)),
        )
        expected: dict[str, Any] = {"operation_id": f"op {self._count}"}
        if self._is_now():
            expected["expected_sequence"] = self._one(0, 1, 2, 3, 5)
        if changes.session is not None and self._is_now():
            expected["expected_revision"] = self._one(0, 1, 2)
        if self._is_now():
            expected["expected_revisions"] = {self._one(*RUNS): self._one(0, 1, 2)}
        return changes, expected

    def rounds(self) -> list[list[tuple[Changes, dict[str, Any]]]]:
        """
        Make rounds of commits, of which each session has as many as the others.
        """
        rounds: list[list[tuple[Changes, dict[str, Any]]]] = []
        for _ in range(6):
            ids = self._random.sample(SESSIONS, self._one(1, 2, 4))
            times = self._one(1, 2, 3)
            rounds.append([self.changes(id_) for _ in range(times) for id_ in ids])
        return rounds


def masked(item: StateItem) -> StateItem:
    """
    Leave out when an item was saved, and where its revision is in all databases.
    """
    return attrs.evolve(item, revision=1, updated_at=None)


def comparable(found: object) -> object:
    """
    Leave out what differs from one database to another: times, and items' revisions.
    """
    if isinstance(found, ASMError):
        return f"{type(found).__name__}: {found}"
    if isinstance(found, Session):
        return found.with_given(found.revision, None)
    if isinstance(found, Committed):
        session = found.session and comparable(found.session)
        items = list(map(masked, found.items))
        return session, found.runs, found.events, items
    return found


async def played(ports: Ports, script: Script, *, one_by_one: bool) -> list[object]:
    """
    Return what comes of a script's calls, and what is stored in the end.
    """
    told: list[object] = []
    for commits in script.rounds():
        calls: list[Callable[[], Awaitable[object]]] = [
            partial(ports.store.commit, changes, **expected)
            for changes, expected in commits
        ]
        together = [[call] for call in calls] if one_by_one else [calls]
        for each in together:
            told += map(comparable, await outcomes_of(each))
    for session in await ports.store.list_sessions(limit=100):
        told.append(comparable(session))
        told += await ports.store.list_runs(session.id)
        told += await ports.store.get_events(session.id)
    items = await ports.state.list_items("app/user")
    return [*told, *map(masked, items)]


@pytest.mark.parametrize("seed", range(examples(40)))
async def test_calls_that_share_a_transaction_are_done_one_after_the_other(
    url: str, seed: int
) -> None:
    """
    Whichever of them are usual: as in memory, where each has a transaction of its own.
    """
    expected = await played(InMemoryPorts(), Script(seed), one_by_one=True)
    engine = create_engine(url)
    async with SQLPorts(engine) as ports:
        await ports.store.open()
        found = await played(ports, Script(seed), one_by_one=False)
    await engine.dispose()

    assert found == expected
