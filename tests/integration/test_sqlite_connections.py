"""
Connections of SQLite that are stopped by one and closed by another.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from asm_async.sql.dialects.sqlite.connection import OneHopConnection, connect
from asm_async.sql.dialects.sqlite.driver import hand_over, interrupt, is_left

MAX_SECONDS = 10
"""
Of what takes no time: a closing that is not answered takes as long as it may.
"""


@pytest.fixture
async def connection(tmp_path: Path) -> OneHopConnection:
    """
    Return a connection to a file of its own.
    """
    connection = connect(str(tmp_path / "asm.sqlite3"))
    await connection
    # Nothing may end because it was waited for long enough.
    connection.closes_at = asyncio.get_running_loop().time() + 10 * MAX_SECONDS
    return connection


async def test_a_connection_that_was_stopped_can_be_closed(
    connection: OneHopConnection,
) -> None:
    """
    Its thread has ended, or is about to: nobody waits for another answer of it.
    """
    connection.stop()
    async with asyncio.timeout(MAX_SECONDS):
        await connection.close()

    assert is_left(connection)
    await asyncio.to_thread(connection._thread.join, MAX_SECONDS)
    assert not connection._thread.is_alive()


async def test_a_connection_can_be_stopped_again(connection: OneHopConnection) -> None:
    """
    Who stops it the second time is told when the first has come to its end.
    """
    first, second = connection.stop(), connection.stop()

    assert first is not None
    assert first is second
    async with asyncio.timeout(MAX_SECONDS):
        await first


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "open"])
async def test_a_thread_that_does_not_close_is_left_alone(
    connection: OneHopConnection, *, is_stopped: bool
) -> None:
    """
    Whoever closes it is free soon after an interruption, and the file is closed later.
    """
    free = threading.Event()
    hand_over(connection, free.wait)
    if is_stopped:
        connection.stop()
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    interrupt(connection)
    async with asyncio.timeout(MAX_SECONDS):
        await closing

    assert is_left(connection)
    assert connection._thread.is_alive()
    free.set()
    await asyncio.to_thread(connection._thread.join, MAX_SECONDS)
    assert not connection._thread.is_alive()


async def test_a_thread_that_ends_slowly_after_its_file_is_closed_is_left_alone(
    connection: OneHopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The file is closed, and nobody waits any longer than that for the thread.
    """
    loop, is_closed, free = (
        asyncio.get_running_loop(),
        asyncio.Event(),
        threading.Event(),
    )

    def close_and_be_slow() -> None:
        OneHopConnection._close_file(connection)
        loop.call_soon_threadsafe(is_closed.set)
        free.wait()

    monkeypatch.setattr(connection, "_close_file", close_and_be_slow)
    closing = asyncio.create_task(connection.close())
    async with asyncio.timeout(MAX_SECONDS):
        await is_closed.wait()
        interrupt(connection)
        await closing

    free.set()
    await asyncio.to_thread(connection._thread.join, MAX_SECONDS)
    assert not connection._thread.is_alive()
