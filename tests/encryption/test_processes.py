"""
Processes that make a session's key at once, and some that are killed at it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from asm_async.encryption import DirectoryKeyStore, KeyOwner, encrypted_ports
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_session
from tests.encrypted_ports import key_ring

ROOT = Path(__file__).parents[2]


def start(url: str, directory: Path, number: int) -> subprocess.Popen[str]:
    """
    Start a process, and wait until it is ready.
    """
    process = subprocess.Popen(  # noqa: S603 - this Python
        [
            sys.executable,
            "-m",
            "tests.encryption.key_making_process",
            url,
            str(directory),
            str(number),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(processes: list[subprocess.Popen[str]]) -> None:
    """
    Let all begin at once.
    """
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


async def test_of_processes_that_make_a_key_at_once_one_wins(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    """
    Also if some are killed at it: all that was acknowledged can be read by all.
    """
    directory = tmp_path / "keys"
    engine = create_engine(migrated_sqlite_url)
    async with SQLPorts(engine) as raw:
        for number in range(20):
            await raw.store.save_session(make_session(id=f"ses_{number}"))
        survivors = [start(migrated_sqlite_url, directory, n) for n in range(2)]
        victims = [start(migrated_sqlite_url, directory, n) for n in (2, 3)]
        go([*survivors, *victims])
        # The work takes some 100 ms; where the kill falls differs from run to run.
        for victim, seconds in zip(victims, (0.0, 0.02), strict=True):
            time.sleep(seconds)  # noqa: ASYNC251 - nothing else runs in this loop
            victim.kill()
        for process in (*survivors, *victims):
            process.communicate(timeout=60)
        assert [process.returncode for process in survivors] == [0, 0]

        keys = key_ring(DirectoryKeyStore(directory))
        ports = encrypted_ports(raw, keys=keys, allow_plaintext=True)
        for number in range(20):
            events = await ports.store.get_events(f"ses_{number}")
            found = {event.id: event.data for event in events}
            assert (
                found.items()
                >= {
                    "evt_0": {"content": "from 0"},
                    "evt_1": {"content": "from 1"},
                }.items()
            )
            record = await keys.find(KeyOwner.session(f"ses_{number}"))
            assert record is not None
            assert [number for number, _ in record.keys] == [1]
    await engine.dispose()
    left = {path.name for path in directory.iterdir()}
    assert len(left - {"new"}) == 20
