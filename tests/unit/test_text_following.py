"""
How much of the time an index that follows the log takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from asm_async.conventions.texts import event_texts
from asm_async.fronts import text_indexing
from asm_async.fronts.text_filters import IndexedEvent
from asm_async.fronts.text_indexing import TextIndexer
from asm_async.memory import InMemoryEventFeed, InMemoryPorts
from asm_async.ports.event_consumer import EventBatch
from asm_async.testing.factories import make_events, make_session

# Sums of them are exact.
_WRITE_SECONDS = 1 / 64
_USUAL_REST = 40 * _WRITE_SECONDS
_BATCHES = 60


class Clock:
    """
    A clock that only rests move, and a list of those.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.rests: list[float] = []
        self.is_over = asyncio.Event()
        self._sleep = asyncio.sleep
        monkeypatch.setattr(text_indexing, "perf_counter", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", self._rest)

    async def _rest(self, seconds: float) -> None:
        await self._sleep(0)
        if seconds not in {_WRITE_SECONDS, _USUAL_REST}:
            return
        self.now += seconds
        self.rests.append(seconds)
        if len(self.rests) == _BATCHES:
            self.is_over.set()


async def write(batch: EventBatch, indexed: Sequence[IndexedEvent]) -> float:
    """
    Acknowledge a batch, and say how long that took.
    """
    assert len(indexed) == len(batch.events) == 250
    await batch.acknowledge()
    return _WRITE_SECONDS


async def write_no_titles() -> None:
    """
    Do nothing: there are none.
    """


async def test_a_follower_hurries_to_what_it_has_not_reached_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    It works a fortieth of the time, after half a minute half of it, then as before.
    """
    async with InMemoryPorts() as ports:
        await ports.store.save_session(make_session())
        await ports.store.append_events(make_events(250 * _BATCHES))
        feed = InMemoryEventFeed(ports.database)
        indexer = TextIndexer(
            feed=feed,
            kind="memory",
            texts=event_texts,
            write=write,
            write_titles=write_no_titles,
        )
        clock = Clock(monkeypatch)
        async with indexer.following():
            await clock.is_over.wait()
        await feed.aclose()

    usual = [_USUAL_REST] * 48
    assert sum(usual) == 30
    assert clock.rests == [*usual, *[_WRITE_SECONDS] * 11, _USUAL_REST]
