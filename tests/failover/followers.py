"""
Followers and durable consumers, and what each of them was given.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import Event
from asm_async.errors import LeaseLostError, StorageBusyError, StorageUnavailableError
from asm_async.sql import SQLEventFeed, create_engine

__all__ = [
    "HANDLED",
    "PASSING",
    "Consumer",
    "EffectiveConsumer",
    "FeedFollower",
    "Follower",
    "Given",
    "SessionFollower",
    "given_of",
    "open_feed",
]

Given: TypeAlias = tuple[str, int, str]
"""
Session, number and id of an event.
"""

HANDLED = (
    "CREATE TABLE failover_handled (place BIGINT GENERATED ALWAYS AS IDENTITY,"
    " session_id TEXT, number BIGINT, id TEXT, PRIMARY KEY (session_id, id))"
)
"""
What makes the table into which a handler writes.
"""

_LEASE_SECONDS = 5.0

PASSING = (StorageUnavailableError, StorageBusyError, LeaseLostError)
"""
What a follower lives through: it goes on where it was.
"""


def given_of(event: Event) -> Given:
    """
    Return what an event is known by.
    """
    return event.session_id, event.sequence_number, event.id


@asynccontextmanager
async def open_feed(url: str, *, timeout: float) -> AsyncGenerator[SQLEventFeed]:
    """
    Yield a feed with an engine of its own.
    """
    engine = create_engine(url)
    feed = SQLEventFeed(engine, timeout=timeout)
    try:
        yield feed
    finally:
        await feed.aclose()
        await engine.dispose()


class Follower(ABC):
    """
    A reader of events that resumes behind the last one when the database has failed.

    Args:
        name: What a violation calls it.

        feed: What it follows.

        passing: What it lives through.
    """

    def __init__(
        self,
        name: str,
        feed: SQLEventFeed,
        *,
        passing: tuple[type[Exception], ...] = PASSING,
    ) -> None:
        self.name: str = name
        self.feed: SQLEventFeed = feed
        self.record: list[Given] = []
        """
        What it was given, in order.
        """
        self.restarts: int = 0
        """
        How often the database failed for longer than its timeout.
        """
        self._passing = passing
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """
        Follow until cancelled; what it raises otherwise is a violation.
        """
        try:
            while True:
                self._task = asyncio.ensure_future(self._follow())
                await asyncio.wait([self._task])
                if not self._task.cancelled():
                    error = self._task.exception()
                    if not isinstance(error, self._passing):
                        raise error or AssertionError(f"{self.name} has ended")
                    self.restarts += 1
        finally:
            self.begin_again()
            if self._task is not None:
                await asyncio.wait([self._task])

    def begin_again(self) -> None:
        """
        End it here, so that it resumes behind what it was given last.
        """
        if self._task is not None:
            self._task.cancel()

    @abstractmethod
    async def _follow(self) -> None: ...


class FeedFollower(Follower):
    """
    Follows all sessions, and resumes at a checkpoint.
    """

    def __init__(
        self, name: str, feed: SQLEventFeed, checkpoint: str | None = None
    ) -> None:
        super().__init__(name, feed)
        self.first: str | None = checkpoint
        self.places: list[str] = []
        """
        The checkpoints of what it was given.
        """

    async def _follow(self) -> None:
        checkpoint = self.places[-1] if self.places else self.first
        following = self.feed.follow_all(checkpoint=checkpoint)
        async with aclosing(following) as events:
            async for event, place in events:
                self.record.append(given_of(event))
                self.places.append(place)


class SessionFollower(Follower):
    """
    Follows one session, and resumes behind an event.
    """

    def __init__(self, name: str, feed: SQLEventFeed, session_id: str) -> None:
        super().__init__(name, feed)
        self.session_id: str = session_id
        self.places: list[Event] = []
        """
        What it was given, whole.
        """

    async def _follow(self) -> None:
        after = self.places[-1] if self.places else 0
        following = self.feed.follow_session(self.session_id, after=after)
        async with aclosing(following) as events:
            async for event in events:
                self.record.append(given_of(event))
                self.places.append(event)


class Consumer(Follower):
    """
    A durable consumer, which acknowledges what it has taken down.
    """

    async def _follow(self) -> None:
        consumer = self.feed.consumer(self.name, lease_seconds=_LEASE_SECONDS)
        async with aclosing(consumer.batches()) as batches:
            async for batch in batches:
                self.record += map(given_of, batch.events)
                await batch.acknowledge()


class EffectiveConsumer(Follower):
    """
    A durable consumer whose handler writes in the transaction that acknowledges.

    What it was given is what its table holds.
    """

    def __init__(
        self,
        name: str,
        feed: SQLEventFeed,
        *,
        passing: tuple[type[Exception], ...] = PASSING,
    ) -> None:
        # The handler's own statements raise the errors of SQLAlchemy.
        super().__init__(name, feed, passing=(*passing, DBAPIError))

    async def _follow(self) -> None:
        consumer = self.feed.consumer(self.name, lease_seconds=_LEASE_SECONDS)
        insert = sa.text(
            "INSERT INTO failover_handled (session_id, number, id)"
            " VALUES (:session_id, :number, :id)"
        )
        async with aclosing(consumer.batches()) as batches:
            async for batch in batches:
                async with batch.transaction() as conn:
                    rows: list[dict[str, Any]] = [
                        dict(zip(("session_id", "number", "id"), given, strict=True))
                        for given in map(given_of, batch.events)
                    ]
                    await conn.execute(insert, rows)

    async def handled(self, engine: AsyncEngine) -> list[Given]:
        """
        Return the events whose effects are stored, in order.
        """
        query = "SELECT session_id, number, id FROM failover_handled ORDER BY place"
        async with engine.connect() as conn:
            return [tuple(row) for row in await conn.execute(sa.text(query))]
