"""
A process that upgrades a database when it is told to.

It takes a URL and, if it shall stop midway, the beginning of the statement before which
to stop. It says "ready", waits for a line, and says "stopped" where it stops for good.
"""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import event as sa_event

from asm_async.sql import create_engine, migrations


async def main(url: str, stop_before: str | None = None) -> None:
    """
    Upgrade the database.
    """
    engine = create_engine(url)

    def stop(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if stop_before is not None and statement.startswith(stop_before):
            say("stopped")
            sys.stdin.readline()

    sa_event.listen(engine.sync_engine, "before_cursor_execute", stop)
    say("ready")
    sys.stdin.readline()
    await migrations.upgrade(engine)
    await engine.dispose()


def say(word: str) -> None:
    """
    Tell the parent process how far this one is.
    """
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
