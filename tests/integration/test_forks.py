"""
Forks while other threads are within SQLite, whose mutexes the child would find held.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asm_async.sql.dialects.sqlite.connection import connect
from asm_async.sql.dialects.sqlite.driver import run
from tests.forked_process import ForkedProcess

# Without the wait, one child in ten hangs.
FORKS = 40
THREADS = 4

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.mark.parametrize("seconds", [0.05, 3.0])
async def test_a_fork_waits_a_while_for_what_a_thread_does(
    tmp_path: Path, seconds: float
) -> None:
    """
    Not for ever: a statement may take as long as it likes, and goes on meanwhile.
    """
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def dwell() -> None:
        began.set()
        may_end.wait(seconds)
        ended.set()

    async with connect(str(tmp_path / "a.db")) as connection:
        await run(connection, lambda file: file.create_function("dwell", 0, dwell))
        statement = asyncio.ensure_future(connection.execute("SELECT dwell()"))
        await asyncio.to_thread(began.wait)
        start = time.monotonic()
        child = ForkedProcess(lambda: str(ended.is_set()))
        took = time.monotonic() - start
        may_end.set()
        await statement

    assert child.hear() == str(seconds < 1)
    assert took < 2


@contextmanager
def files_opened_and_closed(path: Path) -> Generator[None]:
    """
    Open, write and close files in several threads until left.
    """
    must_end = threading.Event()

    async def use(name: str) -> None:
        while not must_end.is_set():
            async with connect(str(path / name)) as connection:
                await connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
                await connection.execute("INSERT INTO t VALUES (1)")
                await connection.commit()

    threads = [
        threading.Thread(target=asyncio.run, args=(use(f"{i}.db"),))
        for i in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        must_end.set()
        for thread in threads:
            thread.join()


def test_children_open_files_whatever_the_threads_of_the_parent_do(
    tmp_path: Path,
) -> None:
    """
    SQLite guards the list of open files, among others, by a mutex of the process.
    """

    def work() -> str:
        for _ in range(3):
            connection = sqlite3.connect(tmp_path / "child.db")
            connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
            connection.close()
        return "done"

    with files_opened_and_closed(tmp_path):
        outcomes = [ForkedProcess(work).hear() for _ in range(FORKS)]

    assert outcomes == ["done"] * FORKS
