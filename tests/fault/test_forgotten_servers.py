"""
The tests' own servers, when the process that runs the tests is killed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from asm_async.testing.event_feed.contract import LONG_SECONDS

START_AND_WAIT = """
import sys
from tests.postgres_server import PostgresServer

server = PostgresServer()
server.start()
server.freeze()
print(server.directory, flush=True)
sys.stdin.read()
"""


def test_a_server_ends_with_the_process_that_has_started_it() -> None:
    """
    Its data, which may stand in memory, goes with it, even if it was frozen.
    """
    command = [sys.executable, "-c", START_AND_WAIT]
    with subprocess.Popen(  # noqa: S603 - the script stands above
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        assert directory.is_dir()
        process.kill()

    end = time.monotonic() + LONG_SECONDS
    while directory.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not directory.exists()
