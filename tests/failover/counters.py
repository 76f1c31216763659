"""
State items that are counted up, each by one task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from asm_async import StateItem
from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.sql import SQLStateStore, create_engine
from asm_async.testing.history import HistoryWriter

__all__ = ["Counter", "open_counter"]

_SCOPE = "failover"


class Counter:
    """
    One item, which is only ever replaced by the next number.

    Args:
        state: Where it is kept.

        key: Its key.

        history: Takes down how long each call took.
    """

    def __init__(self, state: SQLStateStore, key: str, history: HistoryWriter) -> None:
        self._state = state
        self._name = (_SCOPE, key)
        self._history = history
        self._revision = 0
        self.acknowledged: int = 0
        """
        The last number that is known to be stored.
        """

    async def count(self, *, pause: float) -> None:
        """
        Count up until cancelled, and look where things stand when that is unknown.
        """
        while True:
            await asyncio.sleep(pause)
            try:
                await self._save(self.acknowledged + 1)
            except (StorageUnavailableError, StorageBusyError) as error:
                if error.outcome_unknown:
                    await self._look(self.acknowledged + 1)

    async def _save(self, number: int) -> None:
        item = StateItem(scope=self._name[0], key=self._name[1], data=number)
        expected = {self._name: self._revision}
        [saved] = await self._history.record(
            "save_items", self._state.save_items([item], expected_revisions=expected)
        )
        self._revision, self.acknowledged = saved.revision, number

    async def _look(self, attempted: int) -> None:
        while True:
            try:
                item = await self.stored(self._state)
            except StorageError:
                continue
            number = 0 if item is None else item.data
            assert number in {attempted - 1, attempted}, (
                f"{self._name} is {number}, and {attempted - 1} was acknowledged"
            )
            if item is not None:
                self._revision, self.acknowledged = item.revision, attempted
                self.acknowledged = attempted if number == attempted else attempted - 1
            return

    async def stored(self, state: SQLStateStore) -> StateItem | None:
        """
        Return the item as it is stored.
        """
        reading = state.get_items(self._name[0], [self._name[1]])
        found = await self._history.record("get_items", reading)
        return found.get(self._name[1])

    async def check(self) -> None:
        """
        Assert that what was acknowledged last is stored, or one more that was tried.
        """
        item = await self.stored(self._state)
        number = 0 if item is None else item.data
        assert number in {self.acknowledged, self.acknowledged + 1}, (
            f"{self._name} is {number}, and {self.acknowledged} was acknowledged"
        )


@asynccontextmanager
async def open_counter(
    url: str, path: Path, *, timeout: float
) -> AsyncGenerator[Counter]:
    """
    Yield a counter with an engine of its own, whose calls are taken down in *path*.
    """
    engine = create_engine(url)
    state = SQLStateStore(engine, timeout=timeout)
    with HistoryWriter(path) as history:
        try:
            yield Counter(state, path.stem, history)
        finally:
            await state.aclose()
            await engine.dispose()
