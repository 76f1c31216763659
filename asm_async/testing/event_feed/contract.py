"""
What all parts of the suite stand on: feeds beside stores, and nothing left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeAlias, TypeVar

import pytest_asyncio

from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.testing.backend import EventFeedBackend
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract

__all__ = [
    "LONG_SECONDS",
    "Collecting",
    "EventFeedContract",
    "OpenFeed",
    "acknowledged",
    "take",
]

OpenFeed: TypeAlias = Callable[[], Awaitable[EventFeed]]

T = TypeVar("T")

LONG_SECONDS = 30
"""
Longer than anything takes that comes at all.
"""


async def take(following: AsyncGenerator[T], count: int) -> list[T]:
    """
    Return the first *count* of what comes, or fewer if that is all, and close it.
    """
    taken: list[T] = []
    async with asyncio.timeout(LONG_SECONDS), aclosing(following):
        while len(taken) < count:
            try:
                taken.append(await anext(following))
            except StopAsyncIteration:
                break
    return taken


async def acknowledged(consumer: EventConsumer) -> AsyncGenerator[EventBatch]:
    """
    Acknowledge each batch, then give it.
    """
    async with aclosing(consumer.batches()) as batches:
        async for batch in batches:
            await batch.acknowledge()
            yield batch


class Collecting(Generic[T]):
    """
    A task that takes whatever comes.
    """

    def __init__(self, following: AsyncGenerator[T]) -> None:
        self.items: list[T] = []
        self._following = following
        self._came = asyncio.Condition()
        self.task: asyncio.Task[None] = asyncio.create_task(self._collect())

    async def until(self, count: int) -> list[T]:
        """
        Wait until so many have come, and give all.
        """
        async with asyncio.timeout(LONG_SECONDS), self._came:
            await self._came.wait_for(lambda: len(self.items) >= count)
        return self.items

    async def stop(self) -> list[T]:
        """
        Cancel the task, and give all that has come.
        """
        self.task.cancel()
        await asyncio.wait({self.task})
        return self.items

    async def end(self) -> list[T]:
        """
        Wait until nothing comes any more, and give all.
        """
        async with asyncio.timeout(LONG_SECONDS):
            await self.task
        return self.items

    async def _collect(self) -> None:
        async with aclosing(self._following):
            async for item in self._following:
                async with self._came:
                    self.items.append(item)
                    self._came.notify_all()


class EventFeedContract(SessionStoreContract):
    """
    One part of the suite; it needs the fixture ``backend`` and brings the others.
    """

    @pytest_asyncio.fixture
    async def open_feed(
        self, backend: EventFeedBackend, open_store: OpenStore
    ) -> AsyncGenerator[OpenFeed]:
        """
        Open as many feeds as the test wants, and close them before the stores.

        They do not share anything with a store but the database, if that is possible.
        """
        _ = open_store
        opened: list[EventFeed] = []

        async def open_another() -> EventFeed:
            feed = await backend.open_event_feed()
            opened.append(feed)
            return feed

        yield open_another
        for feed in opened:
            await feed.aclose()

    @pytest_asyncio.fixture
    async def feed(self, open_feed: OpenFeed) -> EventFeed:
        """
        Open the feed that is put to the test.
        """
        return await open_feed()
