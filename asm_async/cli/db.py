"""
``python -m asm_async db`` and ``health``: a schema, and what is wrong with a database.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.cli.database import add_command, on_database, url_of
from asm_async.cli.streams import on_one_line
from asm_async.sql import SQLMaintenance, create_engine, migrations


def add_db_commands(parser: ArgumentParser) -> None:
    """
    Add what follows ``db`` on the command line.
    """
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = partial(add_command, commands)
    upgrade = add("upgrade", _upgrade, "Bring the schema up to a revision.")
    downgrade = add("downgrade", _downgrade, "Bring the schema down to a revision.")
    add("current", _current, "Print the revision that the schema is at.")
    purpose = "Print the SQL of an upgrade, without connecting to a database."
    sql = add("sql", _sql, purpose, connects=False)
    for command in (upgrade, sql):
        command.add_argument(
            "--revision", default="head", help="by default %(default)s"
        )
    downgrade.add_argument(
        "--revision", required=True, help='"base" drops every table of asm_async'
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
        await migrations.upgrade(engine, options.revision, timeout=options.timeout)
        return await _revision(engine, options)

    return on_database(options, work)


def _downgrade(options: Namespace) -> str:
    async def work(engine: AsyncEngine) -> str:
        await migrations.downgrade(engine, options.revision, timeout=options.timeout)
        return await _revision(engine, options)

    return on_database(options, work)


def _current(options: Namespace) -> str:
    return on_database(options, lambda engine: _revision(engine, options))


def _sql(options: Namespace) -> str:
    dialect_name = options.dialect or create_engine(url_of(options)).dialect.name
    return migrations.sql(
        dialect_name, options.revision, from_revision=options.from_revision
    )


async def _revision(engine: AsyncEngine, options: Namespace) -> str:
    revision = await migrations.current(engine, timeout=options.timeout)
    return f"{revision or 'base'}\n"


def add_health_command(commands: Any) -> None:
    """
    Add the command ``health``.
    """
    purpose = "Print what is wrong with a database; exit with 1 if anything is."
    add_command(commands, "health", _health, purpose).set_defaults(
        output_is_trouble=True
    )


def _health(options: Namespace) -> str:
    async def work(engine: AsyncEngine) -> str:
        maintenance = SQLMaintenance(engine, timeout=options.timeout)
        return "".join(
            on_one_line(f"{issue.kind} {issue.subject}: {issue.message}") + "\n"
            for issue in await maintenance.health_check()
        )

    return on_database(options, work)
