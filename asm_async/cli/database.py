"""
The database that a command works on.
"""

from __future__ import annotations

import asyncio
import os
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import create_engine

_URL_VARIABLE = "ASM_DATABASE_URL"


def add_command(
    commands: Any,
    name: str,
    run: Callable[[Namespace], str],
    purpose: str,
    *,
    connects: bool = True,
) -> ArgumentParser:
    """
    Add a command that works on a database; one that *connects* takes a timeout.

    It is carried out by *run*, which returns what is to be printed.
    """
    command: ArgumentParser = commands.add_parser(
        name, help=purpose, description=purpose, allow_abbrev=False
    )
    command.set_defaults(run=run, refuse=command.error)
    command.add_argument(
        "--url",
        default=os.environ.get(_URL_VARIABLE),
        help="sqlite:///path or postgresql://user:password@host/database;"
        f" by default the value of {_URL_VARIABLE}",
    )
    if connects:
        command.add_argument(
            "--timeout",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long to try while the database is busy or out of reach;"
            " by default %(default)g",
        )
    return command


def url_of(options: Namespace) -> str:
    """
    Return the database's URL, or refuse the arguments.
    """
    if not options.url:
        options.refuse(f"--url is missing, and {_URL_VARIABLE} is not set")
    return str(options.url)


def on_database(
    options: Namespace, work: Callable[[AsyncEngine], Awaitable[str]]
) -> str:
    """
    Do *work* on an engine of its own.
    """
    engine = create_engine(url_of(options))
    threads_before = set(threading.enumerate())

    async def run() -> str:
        try:
            return await work(engine)
        finally:
            await engine.dispose()
            await _end_threads(threads_before)

    return asyncio.run(run())


async def _end_threads(threads_before: set[threading.Thread]) -> None:
    """
    Wait, not for long, until no other threads run than ran before.

    A connection of aiosqlite that failed to open, or was given up, has a thread that
    still reports to the event loop, and shows a traceback if the loop is closed.
    """
    await asyncio.get_running_loop().shutdown_default_executor()
    for thread in set(threading.enumerate()) - threads_before:
        thread.join(timeout=1)
