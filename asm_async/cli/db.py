"""
``python -m asm_async db``: the schema of a database.
"""

from __future__ import annotations

import asyncio
import os
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import create_engine, migrations

__all__ = ["add_db_commands"]

_URL_VARIABLE = "ASM_DATABASE_URL"


def add_db_commands(parser: ArgumentParser) -> None:
    """
    Add what follows ``db`` on the command line.
    """
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Namespace], str], purpose: str) -> ArgumentParser:
        command = commands.add_parser(
            name, help=purpose, description=purpose, allow_abbrev=False
        )
        command.set_defaults(run=run, refuse=command.error)
        command.add_argument(
            "--url",
            default=os.environ.get(_URL_VARIABLE),
            help="sqlite:///path or postgresql://user:password@host/database;"
            f" by default what {_URL_VARIABLE} says",
        )
        return command

    upgrade = add("upgrade", _upgrade, "Bring the schema up to a revision.")
    downgrade = add("downgrade", _downgrade, "Bring the schema down to a revision.")
    current = add("current", _current, "Print the revision that the schema is at.")
    sql = add("sql", _sql, "Print the SQL of an upgrade; connect to no database.")
    for command in (upgrade, sql):
        command.add_argument(
            "--revision", default="head", help="by default %(default)s"
        )
    downgrade.add_argument(
        "--revision", required=True, help='"base" drops every table of asm_async'
    )
    for command in (upgrade, downgrade, current):
        command.add_argument(
            "--patience",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long to try while the database is busy or out of reach;"
            " by default %(default)g",
        )
    sql.add_argument(
        "--dialect", choices=["sqlite", "postgresql"], help="instead of --url"
    )
    sql.add_argument(
        "--from-revision",
        default="base",
        help="where it begins; by default %(default)s",
    )


def _upgrade(options: Namespace) -> str:
    async def work(engine: AsyncEngine) -> str:
        await migrations.upgrade(engine, options.revision, patience=options.patience)
        return await _revision(engine, options)

    return _on_database(options, work)


def _downgrade(options: Namespace) -> str:
    async def work(engine: AsyncEngine) -> str:
        await migrations.downgrade(engine, options.revision, patience=options.patience)
        return await _revision(engine, options)

    return _on_database(options, work)


def _current(options: Namespace) -> str:
    return _on_database(options, lambda engine: _revision(engine, options))


def _sql(options: Namespace) -> str:
    dialect_name = options.dialect or create_engine(_url(options)).dialect.name
    return migrations.sql(
        dialect_name, options.revision, from_revision=options.from_revision
    )


async def _revision(engine: AsyncEngine, options: Namespace) -> str:
    revision = await migrations.current(engine, patience=options.patience)
    return f"{revision or 'base'}\n"


def _on_database(
    options: Namespace, work: Callable[[AsyncEngine], Awaitable[str]]
) -> str:
    """
    Do *work* on an engine of its own.
    """
    engine = create_engine(_url(options))
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


def _url(options: Namespace) -> str:
    if not options.url:
        options.refuse(f"--url is missing, and {_URL_VARIABLE} is not set")
    return str(options.url)
