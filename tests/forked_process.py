"""
A process that is forked from the tests' own.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

MAX_SECONDS = 20
"""
How long anything may take in it.
"""


class ForkedProcess:
    """
    A process that does *work* and tells what it returned; it does not outlive its test.
    """

    def __init__(self, work: Callable[[], str]) -> None:
        self._read, write = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            # Nothing of the tests must run on in the child, whatever happens.
            try:
                os.write(write, work().encode())
            finally:
                os._exit(0)
        os.close(write)

    def hear(self) -> str:
        """
        Wait for what it tells, and end it.
        """
        try:
            assert select.select([self._read], [], [], MAX_SECONDS)[0], "it hangs"
            return os.read(self._read, 10_000).decode()
        finally:
            self.end()

    def end(self) -> None:
        """
        End it, if it has not ended.
        """
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            os.close(self._read)
            self._process = 0
