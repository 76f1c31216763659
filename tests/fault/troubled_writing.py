"""
Writers that go on while something is wrong with their database, and until it is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.ports.session_store import SessionStore
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.testing.history import HistoryWriter, RecordingSessionStore
from tests.fault.leftovers import dispose_of
from tests.fault.mixed_writing import MixedWriter, save_all

__all__ = ["TroubledWriting", "troubled_writing"]

T = TypeVar("T")

_SESSIONS = [f"ses_{number}" for number in range(4)]
_TASKS = 4
_PAUSE_SECONDS = 0.01
_LONG_SECONDS = 90.0


class _NotingStore(RecordingSessionStore):
    """
    A store that also keeps the errors of its database.
    """

    def __init__(self, store: SessionStore, history: HistoryWriter) -> None:
        super().__init__(store, history)
        self.errors: list[StorageError] = []

    async def _record(
        self, operation: str, method: Callable[..., Awaitable[T]], /, **arguments: Any
    ) -> T:
        try:
            return await super()._record(operation, method, **arguments)
        except StorageError as error:
            self.errors.append(error)
            raise


class TroubledWriting:
    """
    A few tasks that write to one store, and never give up.

    Args:
        engine: Of the store.

        store: Where to write.
    """

    def __init__(self, engine: AsyncEngine, store: _NotingStore) -> None:
        self.engine = engine
        self._store = store
        self._successes = [0] * _TASKS
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, name: str, random: Random) -> None:
        """
        Let the writers write.
        """
        for place in range(_TASKS):
            writer = MixedWriter(self._store, f"{name}-{place}", _SESSIONS, random)
            self._tasks.append(asyncio.create_task(self._write(place, writer)))

    async def end(self) -> None:
        """
        Have them broken off, and assert that none has ended by itself.
        """
        ended = [task for task in self._tasks if task.done()]
        for task in self._tasks:
            task.cancel()
        async with asyncio.timeout(_LONG_SECONDS):
            await asyncio.wait(self._tasks)
        assert not ended, ended

    async def _write(self, place: int, writer: MixedWriter) -> None:
        """
        Write, and pause whenever that fails.
        """
        while True:
            is_done = False
            with suppress(StorageError):
                is_done = await writer.do_one()
            self._successes[place] += is_done
            self._news.set()
            if not is_done:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def fail(self, times: int = 3) -> list[StorageError]:
        """
        Wait until writers were raised so many errors, and give those.
        """
        self._store.errors.clear()
        while len(self._store.errors) < times:
            await self._hear()
        return list(self._store.errors)

    async def succeed(self, times: int = 2) -> None:
        """
        Wait until each of the writers has done some more.
        """
        before = list(self._successes)
        while any(
            now < old + times for now, old in zip(self._successes, before, strict=True)
        ):
            await self._hear()

    async def _hear(self) -> None:
        self._news.clear()
        async with asyncio.timeout(_LONG_SECONDS):
            await self._news.wait()


@asynccontextmanager
async def troubled_writing(
    url: str, history: Path, random: Random, *, timeout: float = 0.3
) -> AsyncGenerator[TroubledWriting]:
    """
    Have writers write until the block ends; nothing of them is left then.

    Args:
        url: Of a database that has our tables.

        history: Where they write down what becomes of their calls.

        random: Where their choices come from.

        timeout: That of their store, in seconds.
    """
    engine = create_engine(url, pool_size=2, max_overflow=2)
    store = SQLSessionStore(engine, timeout=timeout)
    with HistoryWriter(history) as writer:
        recording = _NotingStore(store, writer)
        await save_all(recording, _SESSIONS)
        writing = TroubledWriting(engine, recording)
        writing.begin(history.stem, random)
        try:
            yield writing
        finally:
            await writing.end()
            async with asyncio.timeout(_LONG_SECONDS):
                await store.aclose()
            await dispose_of(engine)
