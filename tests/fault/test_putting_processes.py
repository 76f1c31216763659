"""
Several processes use one directory of contents.
"""

from __future__ import annotations

import os
import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

import asm_async
from asm_async.files import LocalArtifactStore
from tests.artifact_stores import files_in

PROGRAM = Path(__file__).with_name("hammering_putter.py")


async def start(directory: Path, seed: str, rounds: int) -> Process:
    """
    Start a process that uses the directory.
    """
    root = Path(asm_async.__file__).parents[1]
    args = (sys.executable, PROGRAM, directory, seed, str(rounds))
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return await create_subprocess_exec(*args, stdout=PIPE, env=environment)


async def hear(process: Process, rounds: int) -> None:
    """
    Wait until a process has done so many rounds.
    """
    assert process.stdout is not None
    for _ in range(rounds):
        assert await process.stdout.readline()


@pytest.mark.parametrize("manner", ["keep", "delete"])
async def test_processes_share_a_directory(tmp_path: Path, manner: str) -> None:
    """
    They put, read and delete the same contents, two are killed, and all stays whole.
    """
    processes = [
        await start(tmp_path, f"{manner}-{number}", 5000 if number < 2 else 60)
        for number in range(4)
    ]
    for process in processes[:2]:
        await hear(process, 25)
        process.kill()
    ends = [(await process.communicate(), process.returncode) for process in processes]
    statuses = [status for _, status in ends]

    assert statuses == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    store = LocalArtifactStore(tmp_path)
    await store.remove_leftovers()
    listed = await store.list_checksums()
    assert len(listed) <= 3
    assert manner == "delete" or len(listed) == 3
    for checksum in listed:
        assert await store.get(checksum) is not None
    assert [path.name for path in files_in(tmp_path)] == listed
