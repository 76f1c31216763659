"""
A process whose children do one thing and are killed, each some statements later.

Called with the name of what to do, a database's URL and a directory. Each child goes on
with what those before it have left; the last is the first that is not killed. Says how
many were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine
from asm_async.testing.factories import make_session

Act: TypeAlias = Callable[[AsyncEngine, str], Awaitable[None]]

STATEMENTS_MORE = 8


async def erase(engine: AsyncEngine, directory: str) -> None:
    """
    Erase what is left of a user.
    """
    report = await SQLMaintenance(engine).erase(
        user_id="ann",
        with_children=True,
        artifact_store=LocalArtifactStore(directory),
        grace_period=timedelta(0),
    )
    assert report.is_complete


async def copy(engine: AsyncEngine, _: str) -> None:
    """
    Copy what is not copied yet of a session.
    """
    store = SQLSessionStore(engine)
    await store.copy_session("ses_1", make_session(id="copy"), operation_id="copying")
    await store.aclose()


ACTS: Mapping[str, Act] = MappingProxyType({"erase": erase, "copy": copy})


def kill_at(engine: AsyncEngine, statements: int) -> None:
    """
    Have this process killed before so many-th statement, a commit among them.
    """
    left = statements

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa_event.listen(engine.sync_engine, "before_cursor_execute", count)
    sa_event.listen(engine.sync_engine, "commit", count)


async def do(act: Act, url: str, directory: str, statements: int) -> None:
    """
    Do what is left to do, and be killed on the way.
    """
    engine = create_engine(url)
    kill_at(engine, statements)
    await act(engine, directory)
    await engine.dispose()


def main() -> None:
    """
    Make one child after the other until one survives.
    """
    name, url, directory = sys.argv[1:]
    for number in range(1, 1_000):
        child = os.fork()
        if not child:
            asyncio.run(do(ACTS[name], url, directory, number * STATEMENTS_MORE))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.stdout.write(f"{number - 1}\n")
            sys.exit(os.waitstatus_to_exitcode(status))


main()
