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
from tempfile import TemporaryDirectory
from typing import Literal

import asm_async

__all__ = ["WritingProcesses", "writing_processes"]

_PROGRAM = Path(__file__).with_name("forking_writer.py")


class WritingProcesses:
    """
    What ``forking_writer.py`` does and says.
    """

    def __init__(
        self, output: StreamReader, orders: StreamWriter, directory: Path
    ) -> None:
        self._output = output
        self._orders = orders
        self._directory = directory
        self._pids: dict[str, int] = {}
        self.stored = 0
        """
        How many events, or calls of mixed work, the writers have said are stored.
        """
        self.statuses: list[int] = []
        """
        How the writers have ended, in the order in which they were made.
        """

    @property
    def histories(self) -> list[Path]:
        """
        What the writers have written down.
        """
        return [self._directory / f"{name}.jsonl" for name in self._pids]

    def order(
        self,
        name: str,
        *,
        tasks: int,
        calls: int,
        sessions: Sequence[str],
        kind: Literal["appends", "mixed", "runs", "recovery"] = "appends",
        seed: int = 0,
        repeated: str | None = None,
    ) -> None:
        """
        Have a writer made, which writes from :meth:`go` on.

        Args:
            name: What it is called, for its history, and what its ids begin with.

            tasks: How many of its tasks write at once.

            calls: How many calls each makes; 0 for as many as it can.

            sessions: Where to write.

            kind: What to do.

            seed: Where its choices come from, beside its name.

            repeated: The name of a writer that has ended, whose appends of unknown
                outcome it repeats first.
        """
        words = name, kind, f"{name}/{seed}", repeated or "-", str(tasks), str(calls)
        self._say(" ".join([*words, *sessions]))

    def go(self) -> None:
        """
        Let the writers write.
        """
        self._say("go")

    async def hear_of(self, name: str) -> None:
        """
        Wait until there is a writer of that name.
        """
        while name not in self._pids:
            await self._listen()

    async def hear(self, number: int, *, of: str) -> None:
        """
        Wait until the writer *of* that name has said so many more are stored.
        """
        heard = 0
        while heard < number:
            word, name, *more = await self._listen()
            if (word, name) == ("stored", of):
                heard += int(*more)
        # It may say so before the process that forked it says that there is one.
        await self.hear_of(of)

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
            case ["stored", _, number]:
                self.stored += int(number)
            case ["forked", name, pid]:
                self._pids[name] = int(pid)
            case ["ended", pid, status]:
                self.statuses.append(int(status))
            case _:
                assert not words, words
        return words


@asynccontextmanager
async def writing_processes(
    url: str, directory: Path | None = None
) -> AsyncGenerator[WritingProcesses]:
    """
    Start the process that makes writers, and leave none of them behind.

    Args:
        url: Where to write.

        directory: Where to leave histories; none are left if it is None.
    """
    if directory is None:
        with TemporaryDirectory() as passing:
            async with writing_processes(url, Path(passing)) as processes:
                yield processes
        return
    # They run on the package that the tests run on, installed or not.
    package, tests = Path(asm_async.__file__), Path(__file__)
    path = os.pathsep.join([str(package.parents[1]), str(tests.parents[2])])
    process = await create_subprocess_exec(
        *(sys.executable, _PROGRAM, url, directory),
        env={**os.environ, "PYTHONPATH": path},
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield WritingProcesses(process.stdout, process.stdin, directory)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
