"""
Another process holds the lock of an SQLite file, within the timeout and past it.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from asm_async.errors import StorageBusyError
from tests.fault.troubled_writing import TroubledWriting, troubled_writing
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.sqlite_ends import judged, new_database

__all__ = ["CAMPAIGN"]

_PROGRAM = Path(__file__).parents[1] / "fault" / "locking_process.py"
_TIMEOUT_SECONDS = 0.4


async def run(setting: Setting) -> Tally:
    """
    Lock the file again and again: whoever waits is served, or told that it is busy.
    """
    path = setting.directory / "place" / "asm.sqlite3"
    url = await new_database(path)
    history = setting.directory / "writers.jsonl"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _PROGRAM, path), stdin=PIPE, stdout=PIPE
    )
    faults = 0
    writing = troubled_writing(url, history, setting.random, timeout=_TIMEOUT_SECONDS)
    try:
        async with writing as writers:
            for _ in setting.each_fault():
                await writers.succeed()
                factor = setting.random.choice([0.1, 0.5, 3.0])
                await _lock(process, factor * _TIMEOUT_SECONDS, writers)
                await writers.succeed()
                faults += 1
    finally:
        process.kill()
        await process.communicate()
    return await judged(url, [history], faults=faults)


async def _lock(
    process: asyncio.subprocess.Process, seconds: float, writers: TroubledWriting
) -> None:
    """
    Hold the lock; past the timeout, see that writers are told so.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{seconds}\n".encode())
    assert await process.stdout.readline() == b"locked\n"
    if seconds > 2 * _TIMEOUT_SECONDS:
        for error in await writers.fail():
            assert type(error) is StorageBusyError
            assert not error.outcome_unknown
    assert await process.stdout.readline() == b"released\n"


CAMPAIGN = Campaign(
    name="foreign_locks",
    title="Lock held by another process",
    run=run,
    databases=("sqlite",),
    faults=100,
)
