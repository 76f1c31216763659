"""
A process whose children erase a user and are killed, each some statements later.

Called with a database's URL and the directory of the contents. Each child goes on with
what those before it have left; the last is the first that is not killed. Says how many
were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLMaintenance, create_engine

STATEMENTS_MORE = 5


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


async def erase(url: str, directory: str, statements: int) -> None:
    """
    Erase what is left of the user, and be killed on the way.
    """
    engine = create_engine(url)
    kill_at(engine, statements)
    report = await SQLMaintenance(engine).erase(
        user_id="ann",
        with_children=True,
        artifact_store=LocalArtifactStore(directory),
        grace_period=timedelta(0),
    )
    assert report.is_complete
    await engine.dispose()


def main() -> None:
    """
    Make one child after the other until one survives.
    """
    url, directory = sys.argv[1:]
    for number in range(1, 1_000):
        child = os.fork()
        if not child:
            asyncio.run(erase(url, directory, number * STATEMENTS_MORE))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.stdout.write(f"{number - 1}\n")
            sys.exit(os.waitstatus_to_exitcode(status))


main()
