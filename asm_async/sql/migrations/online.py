"""
Migrating the database of an engine.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.sql.migrations.moves import Schema, preparation, verbatim
from asm_async.sql.migrations.version_table import read_revision
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.values import fields

_TIMEOUT_SECONDS = 30.0


async def upgrade(
    engine: AsyncEngine, revision: str = "head", *, timeout: float = _TIMEOUT_SECONDS
) -> None:
    """
    Bring the database up to a revision; leave it alone if it is there or further.

    All is one transaction, so that a process that dies meanwhile leaves nothing half
    done. Of any number of processes that upgrade at once one does the work, and the
    others wait for it and succeed too. An SQLite file is put into WAL mode.

    Args:
        engine: Whose database; the engine stays yours and as it is.

        revision: Where to go: "head" is the one that this version works on.

        timeout: How long, in seconds, to go on trying while the database is busy.

    Raises:
        ValidationError: If *revision* is unknown, or *timeout* is no time in seconds.

        MigrationRequiredError: If the database is at a revision that is unknown.

        UnsupportedOperationError: If the database is too old, or of another kind.

        StorageBusyError: If the database stayed locked past *timeout*.
    """
    transactions = _transactions(engine, timeout)
    transactions.dialect.check_engine(engine)

    async def work(transaction: Transaction) -> None:
        await _prepare(transaction)
        await _migrate(transaction, lambda schema: schema.move_up(revision))

    await transactions.write(work, is_repeatable=True)


async def downgrade(
    engine: AsyncEngine, revision: str, *, timeout: float = _TIMEOUT_SECONDS
) -> None:
    """
    Bring the database down to a revision, and lose what only later ones can hold.

    "base" drops every table of this package, the version table included. All is one
    transaction, as in :func:`upgrade`.

    Args:
        engine: Whose database; the engine stays yours and as it is.

        revision: Where to go.

        timeout: How long, in seconds, to go on trying while the database is busy.

    Raises:
        ValidationError: If *revision* is unknown, or *timeout* is no time in seconds.

        MigrationRequiredError: If the database is at a revision that is unknown.

        UnsupportedOperationError: If the database is of another kind.

        StorageBusyError: If the database stayed locked past *timeout*.
    """
    transactions = _transactions(engine, timeout)
    transactions.dialect.check_engine(engine)

    async def work(transaction: Transaction) -> None:
        await _migrate(transaction, lambda schema: schema.move_down(revision))

    await transactions.write(work, is_repeatable=True)


async def current(
    engine: AsyncEngine, *, timeout: float = _TIMEOUT_SECONDS
) -> str | None:
    """
    Read the revision that the database is at, None if it has none.

    Args:
        engine: Whose database; the engine stays yours and as it is.

        timeout: How long, in seconds, to go on trying while the database is busy.
    """

    async def work(conn: AsyncConnection) -> str | None:
        return await conn.run_sync(read_revision)

    return await _transactions(engine, timeout).read(work)


def schema_of(conn: sa.Connection) -> Schema:
    """
    Look which revision a database is at, in order to move it on this connection.
    """
    return Schema(
        dialect_name=conn.dialect.name,
        found=read_revision(conn),
        execute=lambda statement: conn.execute(verbatim(statement)),
    )


def _transactions(engine: AsyncEngine, timeout: float) -> Transactions:
    # Unlike a store's, it may be 0: to try once.
    return Transactions(engine, fields.total_amount(timeout, "timeout"))


async def _migrate(transaction: Transaction, move: Callable[[Schema], None]) -> None:
    conn, timeout = transaction.conn, transaction.timeout
    # The revision is read after the wait, when nobody else can change it any more.
    await transaction.dialect.lock_schema(conn, timeout)
    await conn.run_sync(lambda sync_conn: move(schema_of(sync_conn)))


async def _prepare(transaction: Transaction) -> None:
    conn, dialect = transaction.conn, transaction.dialect
    await dialect.check_server(conn)
    for statement in preparation(dialect.name):
        # It must run outside of any transaction. The engine's owner may have one begun
        # wherever SQLAlchemy believes that one begins; here SQLAlchemy believes that
        # the one goes on which was just committed.
        await dialect.commit(conn)
        await conn.exec_driver_sql(statement)
        await dialect.roll_back(conn)
        await dialect.begin_write(conn)
