"""
A process whose children put a content and are killed, each one system call later.

Called with a directory and the name of a case; child N works in the directory's
subdirectory N and dies before its Nth call, or in the middle of it if it writes. The
last child is the first that is not killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from asm_async.files import LocalArtifactStore

CONTENT = b"0123456789" * 150_000
CALLS = ("fsync", "mkdir", "open", "replace", "unlink", "utime", "write")


class Countdown:
    """
    Kills this process at the last of so many calls.
    """

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def counted(self, name: str) -> Callable[..., Any]:
        """
        Return a function of ``os`` that counts how often it is called.
        """
        original = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls -= 1
            if self.calls == 0:
                if name == "write":
                    original(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call


async def pieces() -> AsyncIterator[bytes]:
    """
    Yield the content in three pieces.
    """
    for start in range(0, len(CONTENT), len(CONTENT) // 3):
        yield CONTENT[start : start + len(CONTENT) // 3]


async def put(store: LocalArtifactStore, case: str) -> str:
    """
    Put the content, whole or in pieces.
    """
    content = pieces() if "pieces" in case else CONTENT
    return (await store.put(content)).checksum_sha256


async def prepare(directory: Path, case: str) -> None:
    """
    Have the content there already, whole or damaged, if the case says so.
    """
    if "again" in case or "damaged" in case:
        checksum = await put(LocalArtifactStore(directory), case)
        if "damaged" in case:
            (directory / checksum[:2] / checksum).write_bytes(b"damaged")


def die(directory: Path, case: str, calls: int) -> None:
    """
    Put the content, and be killed at one of the calls that this takes.
    """
    asyncio.run(prepare(directory, case))
    countdown = Countdown(calls)
    for name in CALLS:
        setattr(os, name, countdown.counted(name))
    asyncio.run(put(LocalArtifactStore(directory), case))
    os._exit(0)


def main() -> None:
    """
    Make one child after the other until one survives.
    """
    parent, case = Path(sys.argv[1]), sys.argv[2]
    for calls in range(1, 1000):
        child = os.fork()
        if not child:
            die(parent / str(calls), case, calls)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))


main()
