"""
Processes that write to a database, as seen by the test that starts them.
"""

from __future__ import annotations

import os
import signal
import sys
from asyncio import StreamReader, StreamWriter, create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs

import asm_async

__all__ = ["Acknowledged", "WritingProcesses", "writing_processes"]

_PROGRAM = Path(__file__).with_name("forking_writer.py")


@attrs.frozen
class Acknowledged:
    """
    An event of which a writer was told that it is stored.
    """

    session_id: str
    event_id: str
    sequence_number: int


class WritingProcesses:
    """
    What ``forking_writer.py`` does and says.
    """

    def __init__(self, output: StreamReader, orders: StreamWriter) -> None:
        self._output = output
        self._orders = orders
        self._pids: dict[str, int] = {}
        self.acknowledged: list[Acknowledged] = []
        self.statuses: list[int] = []
        """
        How the writers have ended, in the order in which they were made.
        """

    def order(
        self, name: str, *, tasks: int, events: int, sessions: Sequence[str]
    ) -> None:
        """
        Have a writer made, which writes from :meth:`go` on.
        """
        self._say(f"{name} {tasks} {events} {' '.join(sessions)}")

    def go(self) -> None:
        """
        Let the writers write.
        """
        self._say("go")

    async def hear(self, events: int, *, of: str) -> None:
        """
        Wait until the writer *of* that name was told that so many events are stored.
        """
        heard = 0
        while heard < events:
            word, *facts = await self._listen()
            heard += word == "stored" and facts[1].startswith(f"{of}-")

    def kill(self, name: str) -> None:
        """
        Kill a writer as ``kill -9`` does.
        """
        os.kill(self._pids[name], signal.SIGKILL)

    async def finish(self) -> None:
        """
        Wait for the end of all writers.
        """
        self._orders.close()
        while await self._listen():
            pass

    def _say(self, order: str) -> None:
        self._orders.write(f"{order}\n".encode())

    async def _listen(self) -> list[str]:
        words = (await self._output.readline()).decode().split()
        match words:
            case ["stored", session_id, event_id, number]:
                one = Acknowledged(session_id, event_id, int(number))
                self.acknowledged.append(one)
            case ["forked", name, pid]:
                self._pids[name] = int(pid)
            case ["ended", pid, status]:
                self.statuses.append(int(status))
            case _:
                assert not words, words
        return words


@asynccontextmanager
async def writing_processes(url: str) -> AsyncGenerator[WritingProcesses]:
    """
    Start the process that makes writers, and leave none of them behind.
    """
    # They run on the package that the tests run on, installed or not.
    path = str(Path(asm_async.__file__).parents[1])
    process = await create_subprocess_exec(
        *(sys.executable, _PROGRAM, url),
        env={**os.environ, "PYTHONPATH": path},
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield WritingProcesses(process.stdout, process.stdin)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
