"""
Stores that stay open whatever happens, and tasks that do mixed work with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
import attrs

from asm_async.ports.session_store import SessionStore
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.testing.history import (
    Call,
    HistoryWriter,
    Outcome,
    RecordingSessionStore,
    read_history,
)
from tests.fault.leftovers import dispose_of
from tests.fault.mixed_writing import SESSIONS, MixedWriter, save_all
from tests.torture.campaign import Tally
from tests.torture.deadlines import in_time
from tests.torture.tallies import judged

__all__ = [
    "Ledger",
    "Writers",
    "check_answers",
    "wait_for_no_connection",
    "writing",
]

# Longer than any fault lasts, on a machine that has much else to do.
_PATIENT = 120.0
_HASTY = 0.5

_LONGEST_GOODBYE = 10
_TASKS = 4


@attrs.define
class Ledger:
    """
    The histories of all who write to a database.
    """

    directory: Path
    histories: list[Path] = attrs.field(factory=list[Path])
    _patient: list[Path] = attrs.field(factory=list[Path])

    @asynccontextmanager
    async def open_store(
        self, name: str, url: str, *, timeout: float = _PATIENT
    ) -> AsyncGenerator[SessionStore]:
        """
        Open a store whose calls are written down, and leave no connection of it.
        """
        path = self.directory / f"{name}.jsonl"
        self.histories.append(path)
        if timeout >= _PATIENT:
            self._patient.append(path)
        engine = create_engine(url)
        store = SQLSessionStore(engine, timeout=timeout)
        with HistoryWriter(path) as history:
            try:
                yield RecordingSessionStore(store, history)
            finally:
                await store.aclose()
                await dispose_of(engine)

    async def save_all(self, url: str) -> None:
        """
        Save the sessions and runs that are written to.
        """
        async with self.open_store("before", url) as store:
            await save_all(store, SESSIONS)

    async def judged(self, url: str, *, faults: int) -> Tally:
        """
        Lay the histories beside the database, to which nobody is connected any more.
        """
        await in_time(wait_for_no_connection(url), seconds=_LONGEST_GOODBYE)
        for path in self._patient:
            check_answers(read_history(path))
        return await judged(url, self.histories, faults=faults)


def check_answers(calls: Iterable[Call]) -> None:
    """
    Demand that a patient store has brought every call that can be repeated to its end.

    What is saved or flushed without an expectation, or flushed with no event to
    recognise it by, may be in doubt, and so may a save that others have overtaken
    before it was tried again; whatever else the database's failures are, they are the
    store's affair.
    """
    for call in calls:
        if call.error is None or not call.error["type"].startswith("Storage"):
            continue
        assert call.outcome is Outcome.UNKNOWN, f"{call} failed: {call.error}"
        arguments = call.arguments
        if call.operation == "flush":
            is_repeatable = "expected_sequence" in arguments
            is_repeatable &= bool(arguments["result"]["events"])
        else:
            is_repeatable = (
                not call.operation.startswith("save_")
                or "expected_revision" in arguments
            )
            is_overtaken = "is at revision" in call.error["args"][0]
            is_repeatable &= not is_overtaken
        assert not is_repeatable, f"{call} was left in doubt: {call.error}"


class Writers:
    """
    What several tasks have done, and until when.
    """

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._must_stop = False
        self._came = asyncio.Condition()

    async def write(
        self, store: SessionStore, name: str, random: Random, *, pause: float = 0.0
    ) -> None:
        """
        Do one piece of work after the other, with a pause of so many seconds between.
        """
        self._done[name] = 0
        writer = MixedWriter(store, name, SESSIONS, random)
        while not self._must_stop:
            if pause:
                await asyncio.sleep(pause)
            if await writer.do_one():
                async with self._came:
                    self._done[name] += 1
                    self._came.notify_all()

    async def wait_for(self, calls: int) -> None:
        """
        Wait until so many more calls have succeeded.
        """
        aim = sum(self._done.values()) + calls
        async with self._came:
            await self._came.wait_for(lambda: sum(self._done.values()) >= aim)

    async def wait_for_each(self) -> None:
        """
        Wait until a call of each task has succeeded that had not before.
        """
        before = dict(self._done)
        async with self._came:
            await self._came.wait_for(
                lambda: all(self._done[name] > done for name, done in before.items())
            )

    def stop(self) -> None:
        """
        Let each task finish what it is at.
        """
        self._must_stop = True


@asynccontextmanager
async def writing(ledger: Ledger, url: str, random: Random) -> AsyncGenerator[Writers]:
    """
    Have tasks of two stores write while the block lasts: a patient and a hasty store.
    """
    writers = Writers()
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(
                ledger.open_store(f"store-{place}", url, timeout=timeout)
            )
            for place, timeout in enumerate([_PATIENT, _HASTY])
        ]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for place, store in enumerate(stores):
            for task in range(_TASKS):
                name = f"store-{place}-{task}"
                chance = Random(random.getrandbits(32))
                group.create_task(writers.write(store, name, chance))
        yield writers
        writers.stop()


async def wait_for_no_connection(url: str) -> None:
    """
    Wait until nobody else is connected to a PostgreSQL database.
    """
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    )
    conn = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        while await conn.fetchval(others):
            pass
    finally:
        await conn.close()
