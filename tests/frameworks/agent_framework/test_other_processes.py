"""
What other processes write, go on with, and are killed in.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from asm_async import Ports, open_ports
from asm_async.integrations.agent_framework import (
    AsmCheckpointStorage,
    AsmHistoryProvider,
)
from tests.frameworks.agent_framework.saving_process import batch, checkpoint

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
KILLED = 9


@pytest.fixture(
    params=["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest) -> str:
    """
    Return a database that processes can share.
    """
    if request.param == "sqlite_file":
        return str(request.getfixturevalue("migrated_sqlite_url"))
    return str(request.getfixturevalue("undisputed_postgres_url"))


def run_workflow(url: str, *arguments: str) -> tuple[int, list[str]]:
    """
    Run the workflow in a process of its own; return how it ended and what it printed.
    """
    done = subprocess.run(  # noqa: S603 - this Python, on a program beside this file
        [sys.executable, HERE / "review_workflow.py", url, *arguments],
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in {0, KILLED}, done.stderr
    return done.returncode, done.stdout.split("\n")[:-1]


def test_a_workflow_goes_on_in_another_process(url: str) -> None:
    """
    After a crash what was done is not done again, and a question is answered elsewhere.
    """
    assert run_workflow(url, "crash") == (KILLED, ["written"])
    assert run_workflow(url, "resume") == (0, ["reviewed", ""])
    assert run_workflow(url, "resume", "Cats") == (0, ["Cats: About cats"])


async def begin(url: str, name: str) -> Process:
    """
    Start a process that saves.
    """
    program = HERE / "saving_process.py"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, program, url, name), stdout=PIPE, env=ENVIRONMENT
    )


async def kill(process: Process) -> int:
    """
    Kill a process some time after its first save; return how many were acknowledged.
    """
    assert process.stdout is not None
    assert await process.stdout.readline() == b"0\n"
    await asyncio.sleep(random.uniform(0.1, 0.6))
    process.kill()
    printed, _ = await process.communicate()
    return 1 + printed.count(b"\n")


def written(name: str, number: int) -> list[object]:
    """
    Return a batch in the form in which it can be compared.
    """
    return [message.to_dict() for message in batch(name, number)]


async def test_all_is_whole_after_kills(url: str) -> None:
    """
    What was acknowledged is there, in order; what was not is there whole or not at all.
    """
    names = ["one", "two"]
    processes = [await begin(url, name) for name in names]
    counts = await asyncio.gather(*map(kill, processes))

    async with open_ports(url) as ports:
        for name, count in zip(names, counts, strict=True):
            await check_checkpoint(ports, name, count)
        found = await AsmHistoryProvider(ports).get_messages("shared")
        events = await ports.store.get_events("agent-framework/asm/shared")
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(1, len(events) + 1))
    left = [message.to_dict() for message in found]
    seen = dict.fromkeys(names, 0)
    while left:
        name = next(n for n in names if left[0] == written(n, seen[n])[0])
        assert left[:3] == written(name, seen[name])
        seen[name] += 1
        left = left[3:]
    for name, count in zip(names, counts, strict=True):
        assert seen[name] - count in {0, 1}


async def check_checkpoint(ports: Ports, name: str, count: int) -> None:
    """
    Prove that the last checkpoint is there, or the next, and under one workflow only.
    """
    storage = AsmCheckpointStorage(ports)
    last = await storage.load(name)
    assert last in [checkpoint(name, count - 1), checkpoint(name, count)]
    other = f"{name}-{(last.iteration_count + 1) % 2}"
    assert await storage.list_checkpoint_ids(workflow_name=other) == []
    assert await storage.get_latest(workflow_name=last.workflow_name) == last
