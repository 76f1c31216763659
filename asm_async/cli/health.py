"""
``python -m asm_async health``: what is wrong with a database.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.cli.database import add_timeout_option, add_url_option, on_database
from asm_async.cli.streams import on_one_line
from asm_async.sql import SQLMaintenance

__all__ = ["add_health_options"]


def add_health_options(parser: ArgumentParser) -> None:
    """
    Add what follows ``health`` on the command line.
    """
    parser.set_defaults(run=_health, output_is_trouble=True)
    add_url_option(parser)
    add_timeout_option(parser)


def _health(options: Namespace) -> str:
    async def work(engine: AsyncEngine) -> str:
        maintenance = SQLMaintenance(engine, timeout=options.timeout)
        return "".join(
            on_one_line(f"{issue.kind} {issue.subject}: {issue.message}") + "\n"
            for issue in await maintenance.health_check()
        )

    return on_database(options, work)
