"""
Everything at once, on one database: agents, readers, followers and a maintainer.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import NotFoundError
from asm_async.sql import SQLEventFeed, SQLMaintenance, SQLQueryAPI, SQLSessionStore
from asm_async.testing.factories import (
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.values.event import Event, EventType
from asm_async.values.maintenance import HealthIssueKind
from asm_async.values.retention import RetentionPolicy
from asm_async.values.run import RunStatus
from asm_async.values.session import Session, SessionStatus
from tests.torture.soak_figures import Measurer

__all__ = ["MixedLoad"]

T = TypeVar("T")
Work: TypeAlias = Callable[[], Awaitable[None]]
IsOver: TypeAlias = Callable[[], bool]

_BUSY = [f"ses_busy_{number}" for number in range(12)]
_FOLLOWED = _BUSY[:4]
_LONGEST_PAUSE = 0.04
_BETWEEN_RETENTIONS = 2.0

# A machine that is busy with other things is no fault of the store's.
_TIMEOUT_SECONDS = 300.0

# Ages are whole days, so that a day of the load's own clock lasts a second. Activity is
# noted by the real one, so that after a second whatever has ended is too old.
_SECONDS_PER_DAY = 1.0
_POLICY = RetentionPolicy(
    max_completed_session_age_days=1,
    hard_delete_after_days=30,
    max_events_per_session=1_000,
)
_CROWD = {
    "append": 8,
    "batch": 2,
    "flush": 2,
    "save": 2,
    "read": 3,
    "search": 2,
}
_VISITORS = 2


class MixedLoad:
    """
    Appends, batches, flushes, saves, reads, searches, followers, retention.

    How much the database holds does not grow: finished sessions are removed and busy
    ones pruned. What the load remembers does not either.

    Args:
        engine: On a database that has our tables, and nothing in them.

        measurer: Is told how long each call took.

        random: Where all choices come from.
    """

    def __init__(self, engine: AsyncEngine, measurer: Measurer, random: Random) -> None:
        self._measurer = measurer
        self._random = random
        self._began = datetime.now(UTC)
        timeout = _TIMEOUT_SECONDS
        self._store = SQLSessionStore(engine, timeout=timeout)
        self._query = SQLQueryAPI(engine, timeout=timeout)
        self._feed = SQLEventFeed(engine, timeout=timeout)
        self._maintenance = SQLMaintenance(engine, timeout=timeout, clock=self._now)
        self._numbers = count(1)
        self._acknowledged: Counter[str] = Counter()
        self._given: Counter[str] = Counter()
        self.calls = 0
        """
        How many calls have returned; one that raises ends the load.
        """

    async def run(self, is_over: IsOver) -> None:
        """
        Work until it is over, then assert that everything is where it should be.
        """
        for session_id in _BUSY:
            session = self._session(session_id, SessionStatus.ACTIVE)
            await self._store.save_session(session)
        works: dict[str, Work] = {
            "append": self._append,
            "batch": self._append_batch,
            "flush": self._flush,
            "save": self._save,
            "read": self._read,
            "search": self._search,
        }
        followers = [asyncio.create_task(self._follow(id_)) for id_ in _FOLLOWED]
        followers += [asyncio.create_task(self._visit()) for _ in range(_VISITORS)]
        followers.append(asyncio.create_task(self._follow_all()))
        async with asyncio.TaskGroup() as group:
            for name, number in _CROWD.items():
                for _ in range(number):
                    group.create_task(self._go_on(works[name], is_over))
            group.create_task(self._retain(is_over))
        await self._check(followers)
        for port in (self._feed, self._store):
            await port.aclose()

    async def _go_on(self, work: Work, is_over: IsOver) -> None:
        while not is_over():
            await work()
            await asyncio.sleep(self._random.uniform(0, _LONGEST_PAUSE))

    async def _timed(self, kind: str, call: Awaitable[T]) -> T:
        start = time.perf_counter()
        result = await call
        self._measurer.took(kind, time.perf_counter() - start)
        self.calls += 1
        return result

    async def _append(self) -> None:
        event = self._event(self._random.choice(_BUSY))
        await self._timed("append", self._store.append_event_with_sequence(event))
        self._acknowledged[event.session_id] += 1

    async def _append_batch(self) -> None:
        size = self._random.randint(10, 50)
        events = [self._event(self._random.choice(_BUSY)) for _ in range(size)]
        await self._timed("batch", self._store.append_events(events))
        self._acknowledged.update(event.session_id for event in events)

    async def _flush(self) -> None:
        """
        Store an execution that has ended; some days later its session is removed.
        """
        session = self._session(self._new_id("ses"), SessionStatus.COMPLETED)
        run = make_run(
            id=self._new_id("run"),
            session_id=session.id,
            status=RunStatus.COMPLETED,
            provider="anthropic",
            token_usage={"input_tokens": 100, "output_tokens": 20},
            started_at=session.created_at,
        )
        size = self._random.randint(2, 10)
        events = [self._event(session.id, run_id=run.id) for _ in range(size)]
        result = make_execution_result(session=session, run=run, events=events)
        await self._timed("flush", self._store.flush(result))

    async def _save(self) -> None:
        session_id = self._random.choice(_BUSY)
        session = self._session(session_id, SessionStatus.ACTIVE)
        await self._timed("save", self._store.save_session(session))
        run = make_run(id=f"run_{session_id}", session_id=session_id)
        await self._timed("save", self._store.save_run(run))

    async def _read(self) -> None:
        session_id = self._random.choice(_BUSY)
        last = self._store.get_events(session_id, last=50)
        numbers = [event.sequence_number for event in await self._timed("read", last)]
        assert numbers == sorted(set(numbers))
        await self._timed("read", self._store.get_session(session_id))
        await self._timed("read", self._store.get_latest_sequence(session_id))

    async def _search(self) -> None:
        search = self._query.search_sessions(status=SessionStatus.COMPLETED, limit=20)
        page = await self._timed("search", search)
        for session in page.items[:1]:
            try:
                stats = self._query.get_session_stats(session.id)
                await self._timed("search", stats)
            except NotFoundError:
                # It was removed meanwhile.
                continue
        newest = self._query.search_events(session_ids=[_BUSY[0]], limit=20)
        await self._timed("search", newest)
        await self._timed("search", self._query.get_usage_summary())

    async def _visit(self) -> None:
        """
        Follow a session for a moment, go away, and follow another.
        """
        while True:
            session_id = self._random.choice(_BUSY)
            after = await self._store.get_latest_sequence(session_id)
            following = self._feed.follow_session(session_id, after=after)
            async with aclosing(following) as events:
                async for event in events:
                    after += 1
                    assert event.sequence_number == after
                    if self._random.random() < 0.2:
                        break

    async def _follow(self, session_id: str) -> None:
        async with aclosing(self._feed.follow_session(session_id)) as events:
            async for event in events:
                number = event.sequence_number
                assert number is not None
                assert number > self._given[session_id]
                self._given[session_id] = number

    async def _follow_all(self) -> None:
        given: Counter[str] = Counter()
        async with aclosing(self._feed.follow_all()) as events:
            async for event, _ in events:
                if event.session_id in _BUSY:
                    assert event.sequence_number is not None
                    assert event.sequence_number > given[event.session_id]
                    given[event.session_id] = event.sequence_number

    async def _retain(self, is_over: IsOver) -> None:
        while not is_over():
            report = await self._timed("retain", self._maintenance.execute(_POLICY))
            assert not report.errors, report.errors
            await asyncio.sleep(_BETWEEN_RETENTIONS)

    async def _check(self, followers: list[asyncio.Task[None]]) -> None:
        """
        Assert that nothing is lost, that followers saw the end, and that all is sound.
        """
        for session_id in _BUSY:
            latest = await self._store.get_latest_sequence(session_id)
            assert latest == self._acknowledged[session_id], session_id
        async with asyncio.timeout(30):
            while any(self._given[id_] < self._acknowledged[id_] for id_ in _FOLLOWED):
                for follower in followers:
                    assert not follower.done(), follower
                await asyncio.sleep(0.01)
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)
        issues = await self._maintenance.health_check()
        # How durable it is lies with the server.
        durability = HealthIssueKind.WEAK_DURABILITY
        assert {issue.kind for issue in issues} <= {durability}, issues

    def _now(self) -> datetime:
        return self._began + timedelta(days=self._measurer.elapsed / _SECONDS_PER_DAY)

    def _session(self, session_id: str, status: SessionStatus) -> Session:
        now = self._now()
        return make_session(
            id=session_id,
            status=status,
            tags=["soak"],
            metadata={"is": self._new_id("metadata")},
            created_at=self._began if session_id in _BUSY else now,
            updated_at=now,
        )

    def _event(self, session_id: str, *, run_id: str | None = None) -> Event:
        return make_event(
            id=self._new_id("evt"),
            type=EventType.MESSAGE_STREAMED,
            session_id=session_id,
            run_id=run_id,
            data={"content": "x" * self._random.randint(50, 500)},
        )

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers)}"
