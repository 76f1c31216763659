"""
A console in a process of its own, which tests stop and start again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import asm_async

NEVER_SECONDS = 30
_SERVE = """
import sys
from asm_async.console.serve import serve
serve(sys.argv[1], port=int(sys.argv[2]), writable=sys.argv[3] == "writable")
"""


def free_port() -> int:
    """
    Return a port that nobody listens to.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_served(url: str, process: subprocess.Popen[bytes]) -> None:
    """
    Ask until the server answers.
    """
    end = time.monotonic() + NEVER_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server
                return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)


def package_path() -> dict[str, str]:
    """
    Return the environment in which a process finds the package that is tested.
    """
    return {**os.environ, "PYTHONPATH": str(Path(asm_async.__file__).parents[1])}


class ConsoleServer:
    """
    A console over a file, always at the same address.
    """

    def __init__(self, database: Path, *, writable: bool = False) -> None:
        self.database = database
        self.database_url = f"sqlite+aiosqlite:///{database}"
        self.writable = writable
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Serve, and return once it answers.
        """
        mode = "writable" if self.writable else "read-only"
        arguments = [self.database_url, str(self.port), mode]
        self._process = subprocess.Popen(  # noqa: S603 - a script of ours
            [sys.executable, "-c", _SERVE, *arguments], env=package_path()
        )
        wait_until_served(f"{self.url}/api/about", self._process)

    def stop(self) -> None:
        """
        End at once, as a crash would, so that nothing waits for open streams.
        """
        assert self._process is not None
        self._process.kill()
        self._process.wait(NEVER_SECONDS)
        self._process = None
