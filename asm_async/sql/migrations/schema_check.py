"""
Whether a database is at the revision that this version of the package works on.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import MigrationRequiredError
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.migrations.history import HEAD, History
from asm_async.sql.migrations.version_table import read_revision
from asm_async.sql.transactions.transaction import Transactions

_TIMEOUT_SECONDS = 30.0


async def check(bind: AsyncEngine | AsyncConnection) -> None:
    """
    Make sure that the database is at ``HEAD``; read it and change nothing.

    Raises:
        MigrationRequiredError: If it is empty, older or newer: what was found, and what
            to run.
    """
    if isinstance(bind, AsyncEngine):
        await Transactions(bind, _TIMEOUT_SECONDS).read(check_schema)
    else:
        with translated_errors():
            await check_schema(bind)


async def check_schema(conn: AsyncConnection) -> None:
    """
    Make sure that the database is at ``HEAD``, with two short queries.

    A transaction that is open on *conn* goes on, whatever is found.

    Raises:
        MigrationRequiredError: If it is empty, older or newer: what was found, and what
            to run.
    """
    found = await conn.run_sync(read_revision)
    if found == HEAD:
        return
    if found is None:
        state = "the database has no tables of asm_async yet"
    else:
        # Refuses a revision that is unknown, which no upgrade from here can cure.
        History.load().path_up(found, HEAD)
        state = f"the database is at revision {found}, and {HEAD} is needed"
    raise MigrationRequiredError(
        f"{state}: run `python -m asm_async db upgrade --url URL`, or"
        " `await migrations.upgrade(engine)`"
    )
