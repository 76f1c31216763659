"""
``python -m asm_async health``: what is wrong with a database.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.cli.database import add_command, on_database
from asm_async.cli.streams import on_one_line
from asm_async.sql import SQLMaintenance


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
