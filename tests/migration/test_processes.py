from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import migrations

ReadCatalog: TypeAlias = Callable[[AsyncEngine], Awaitable[list[tuple[object, ...]]]]
Process: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = Callable[..., Process]

PROGRAM = Path(__file__).with_name("upgrading.py")


@pytest.fixture
def start(url: str, environment: dict[str, str]) -> Iterator[Start]:
    """
    Yield the function that starts a process which is ready to upgrade the database.
    """
    started: list[Process] = []

    def start(*stop_before: str) -> Process:
        process = subprocess.Popen(  # noqa: S603 - this Python, on a script of ours
            [sys.executable, PROGRAM, url, *stop_before],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def hear(process: Process, word: str) -> None:
    """
    Wait until a process says a word.
    """
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n", process.communicate()[1]


def tell_to_go(process: Process) -> None:
    """
    Let a process that is ready upgrade.
    """
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


async def fresh(engine: AsyncEngine, catalog: ReadCatalog) -> list[tuple[object, ...]]:
    """
    Read the schema that an upgrade makes which nothing disturbs.
    """
    await migrations.downgrade(engine, "base")
    await migrations.upgrade(engine)
    return await catalog(engine)


async def test_processes_that_upgrade_at_once_all_succeed(
    engine: AsyncEngine, catalog: ReadCatalog, start: Start
) -> None:
    """
    Four processes begin at the same moment on an empty database.
    """
    processes = [start() for _ in range(4)]
    for process in processes:
        hear(process, "ready")
    for process in processes:
        tell_to_go(process)
    outcomes = [(p.communicate(timeout=60)[1], p.returncode) for p in processes]
    found = await catalog(engine)

    assert outcomes == [("", 0)] * 4
    assert await fresh(engine, catalog) == found


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE asm_runs", "INSERT INTO asm_alembic_version"]
)
async def test_a_process_killed_midway_leaves_nothing(
    statement: str, engine: AsyncEngine, catalog: ReadCatalog, start: Start
) -> None:
    """
    After kill -9 the database is empty, and another upgrade succeeds.
    """
    process = start(statement)
    hear(process, "ready")
    tell_to_go(process)
    hear(process, "stopped")
    process.kill()
    process.wait(60)
    left = await catalog(engine)
    await migrations.upgrade(engine)
    found = await catalog(engine)

    assert left == []
    assert await fresh(engine, catalog) == found


async def test_a_process_takes_over_from_one_that_is_killed(
    engine: AsyncEngine, catalog: ReadCatalog, start: Start
) -> None:
    """
    An upgrade that has waited for another does the work when that one is killed.
    """
    first, second = start("CREATE TABLE asm_events"), start()
    hear(first, "ready")
    hear(second, "ready")
    tell_to_go(first)
    hear(first, "stopped")
    tell_to_go(second)
    first.kill()
    first.wait(60)
    complaints = second.communicate(timeout=60)[1]
    found = await catalog(engine)

    assert (complaints, second.returncode) == ("", 0)
    assert await fresh(engine, catalog) == found
