"""
Recorders of runs that stand still, as by SIGSTOP, and go on as if nothing had been.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

import asm_async
from asm_async import EventType, RunStatus
from asm_async.recording import recover_interrupted_runs
from asm_async.sql import SQLPorts
from asm_async.testing.factories import make_session
from tests.fault.recorded_runs import INTERRUPTED, check_runs

_PROGRAM = Path(__file__).with_name("recording_process.py")

LONG_SECONDS = 30


@attrs.frozen
class Recorder:
    """
    A process that records a run.
    """

    process: asyncio.subprocess.Process
    run_id: str

    def stop(self) -> None:
        """
        Let it stand still.
        """
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """
        Let it go on.
        """
        self.process.send_signal(signal.SIGCONT)

    async def take_a_step(self) -> str:
        """
        Have it take a step, and return what it says.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return await _heard(self.process)

    async def end(self) -> str:
        """
        Have it end its run, and return what it says.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await _heard(self.process)


async def _heard(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LONG_SECONDS):
        return (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def recorder(url: str, *, lease: float) -> AsyncGenerator[Recorder]:
    """
    Start a recorder, wait until its run has begun, and leave no process behind.
    """
    package, tests = Path(asm_async.__file__), Path(__file__)
    path = os.pathsep.join([str(package.parents[1]), str(tests.parents[2])])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _PROGRAM, url, "ses_1", str(lease)),
        env={**os.environ, "PYTHONPATH": path},
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        word, run_id = (await _heard(process)).split()
        assert word == "begun"
        yield Recorder(process, run_id)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.fixture
async def ports(engine: AsyncEngine) -> AsyncIterator[SQLPorts]:
    """
    Yield ports of another process, with a session.
    """
    async with SQLPorts(engine) as ports:
        await ports.store.save_session(make_session())
        yield ports


async def test_a_recorder_that_stood_still_too_long_finds_its_lease_lost(
    url: str, ports: SQLPorts
) -> None:
    """
    Its run is ended meanwhile, with its event, and it writes nothing behind that.
    """
    async with recorder(url, lease=0.3) as stopped:
        assert await stopped.take_a_step() == "stored"
        stopped.stop()
        async with asyncio.timeout(LONG_SECONDS):
            report = await recover_interrupted_runs(ports, max_clock_skew=0)
        stopped.go_on()
        said = await stopped.take_a_step()

    assert [run.id for run in report.ended] == [stopped.run_id]
    assert said == "lost lease_lost"
    found = await check_runs(ports.store, ports.state, ["ses_1"], [stopped.run_id])
    assert found == {INTERRUPTED: 1}
    types = [event.type for event in await ports.store.get_events("ses_1")]
    assert types == [
        EventType.RUN_STARTED,
        EventType.MESSAGE_SENT,
        EventType.RUN_FAILED,
    ]


async def test_a_recorder_that_ends_too_late_finds_its_lease_lost(
    url: str, ports: SQLPorts
) -> None:
    """
    What it would have written of its end is not written: the run has one end.
    """
    async with recorder(url, lease=0.3) as stopped:
        stopped.stop()
        async with asyncio.timeout(LONG_SECONDS):
            await recover_interrupted_runs(ports, max_clock_skew=0)
        stopped.go_on()
        assert await stopped.end() == "lost lease_lost"

    found = await check_runs(ports.store, ports.state, ["ses_1"], [stopped.run_id])
    assert found == {INTERRUPTED: 1}


async def test_a_recorder_that_stood_still_for_less_is_never_taken_for_dead(
    url: str, ports: SQLPorts
) -> None:
    """
    Not even if it stopped just before it would have renewed its lease.
    """
    lease, clock = 2.4, asyncio.get_running_loop().time
    while True:
        async with recorder(url, lease=lease) as stopped:
            await asyncio.sleep(0.28 * lease)
            stopped.stop()
            begin = clock()
            recovering = asyncio.create_task(
                recover_interrupted_runs(ports, max_clock_skew=0)
            )
            # Together more than the lease, though each is less.
            await asyncio.sleep(0.8 * lease)
            stopped.go_on()
            stood_still = clock() - begin
            async with asyncio.timeout(LONG_SECONDS):
                report = await recovering
                said = await stopped.take_a_step(), await stopped.end()
        # On a machine that is busy otherwise it may be for longer than is meant here.
        if stood_still < lease:
            break

    assert said == ("stored", "ended")
    assert (report.ended, report.alive) == ([], 1)
    run = await ports.store.get_run(stopped.run_id)
    assert run.status is RunStatus.COMPLETED
