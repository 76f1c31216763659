"""
A PostgreSQL server goes down and comes back while eight writers write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asm_async import open_store
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.history import (
    HistoryWriter,
    RecordingSessionStore,
    check_histories,
)
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """
    Give a server of the test's own, whose data outlives it.
    """
    server = PostgresServer(is_durable=True)
    server.start()
    yield server
    server.close()


class Writers:
    """
    Tasks that append, one event after the other, until they are told to stop.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._must_stop = False
        self._told = asyncio.Semaphore(0)

    async def write(self, name: str) -> None:
        """
        Append to one session.
        """
        number = 0
        while not self._must_stop:
            event = make_event(id=f"{name}-{number}")
            await self._store.append_event_with_sequence(event)
            self._told.release()
            number += 1

    async def wait_for(self, events: int) -> None:
        """
        Wait until so many more events are stored.
        """
        for _ in range(events):
            await self._told.acquire()

    def stop(self) -> None:
        """
        Let each writer finish the event it is at.
        """
        self._must_stop = True


@pytest.mark.parametrize(
    "go_down", [PostgresServer.stop, PostgresServer.kill], ids=["stopped", "killed"]
)
async def test_a_restart_loses_and_doubles_nothing(
    server: PostgresServer,
    go_down: Callable[[PostgresServer], None],
    tmp_path: Path,
) -> None:
    """
    Every writer goes on when the server is back; each event is stored exactly once.
    """
    path = tmp_path / "writers.jsonl"
    history = HistoryWriter(path)
    async with (
        asyncio.timeout(60),
        open_store(server.url, migrate=True) as store,
        asyncio.TaskGroup() as group,
    ):
        await store.save_session(make_session())
        writers = Writers(RecordingSessionStore(store, history))
        for number in range(8):
            group.create_task(writers.write(f"writer-{number}"))
        await writers.wait_for(20)
        await asyncio.to_thread(go_down, server)
        await asyncio.to_thread(server.start)
        await writers.wait_for(40)
        writers.stop()
    history.close()
    async with open_store(server.url) as store:
        await check_histories([path], store)
