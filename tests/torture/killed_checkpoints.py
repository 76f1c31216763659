"""
Processes are killed while they move the log of an SQLite file into the database.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from asm_async import open_store
from asm_async.testing.history import HistoryWriter, RecordingSessionStore
from tests.fault.mixed_writing import save_all
from tests.fault.writing_processes import WritingProcesses, writing_processes
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.sqlite_ends import judged, new_database

__all__ = ["CAMPAIGN"]

_PROGRAM = Path(__file__).parents[1] / "fault" / "checkpointing_process.py"
_SESSIONS = [f"ses_{number}" for number in range(4)]
_TASKS = 4
_LONGEST_CHECKPOINT = 0.02


async def run(setting: Setting) -> Tally:
    """
    Kill a checkpoint each time, and every other time the writer beside it as well.
    """
    path = setting.directory / "place" / "asm.sqlite3"
    url = await new_database(path)
    before = setting.directory / "before.jsonl"
    async with open_store(url) as store:
        with HistoryWriter(before) as history:
            await save_all(RecordingSessionStore(store, history), _SESSIONS)
    async with writing_processes(url, setting.directory) as processes:
        faults = await _kill(processes, path, setting)
    return await judged(url, [before, *processes.histories], faults=faults)


async def _kill(processes: WritingProcesses, path: Path, setting: Setting) -> int:
    random, faults = setting.random, 0
    writer = _begin(processes, "writer", random.getrandbits(32))
    processes.go()
    for faults_before in setting.each_fault():
        checkpoint = await _begin_checkpoints(path, random.getrandbits(32))
        try:
            await processes.hear(1, of=writer)
            await asyncio.sleep(random.uniform(0, _LONGEST_CHECKPOINT))
            if random.random() < 0.5:
                processes.kill(writer)
                name = f"writer-{faults_before}"
                writer = _begin(processes, name, random.getrandbits(32))
        finally:
            checkpoint.kill()
            await checkpoint.communicate()
        faults += 1
    await processes.hear(1, of=writer)
    processes.kill(writer)
    await processes.finish()
    return faults


def _begin(processes: WritingProcesses, name: str, seed: int) -> str:
    processes.order(
        name, kind="mixed", seed=seed, tasks=_TASKS, calls=0, sessions=_SESSIONS
    )
    return name


async def _begin_checkpoints(path: Path, seed: int) -> Process:
    """
    Start a process that makes checkpoints, and wait for the first.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _PROGRAM, path, str(seed)), stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"checkpoint\n"
    return process


CAMPAIGN = Campaign(
    name="killed_checkpoints",
    title="Processes killed during a checkpoint",
    run=run,
    databases=("sqlite",),
    faults=200,
)
