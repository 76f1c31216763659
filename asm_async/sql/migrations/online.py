"""
Migrating the database of an engine, and checking that it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import MigrationRequiredError
from asm_async.sql.core.engine_state import engine_state
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.tables import METADATA
from asm_async.sql.dialects.catalogue import found_elsewhere, read_catalogue
from asm_async.sql.dialects.partitions import check_partitions
from asm_async.sql.migrations.history import (
    HEAD,
    Schema,
    preparation,
    refuse_foreign_tables,
    refuse_unknown,
    revision_of,
)
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.values import fields

# What changes tables of some size takes its time, also where nobody is waited for.
_MIN_SECONDS = 60.0

_TIMEOUT_SECONDS = 30.0


async def upgrade(
    engine: AsyncEngine,
    revision: str = "head",
    *,
    timeout: float = _TIMEOUT_SECONDS,
    partitions: int | None = None,
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

        partitions:
            In how many hash partitions, 2 to 32, PostgreSQL keeps sessions, their tags,
            runs, events and counters. It is decided when the tables are made. None
            makes tables in one piece, and leaves those as they are that are there.

    Raises:
        ValidationError: If *revision* is unknown, *timeout* is no time in seconds, or
            *partitions* is out of range.

        MigrationRequiredError: If the database is at a revision that is unknown.

        UnsupportedOperationError: If the database is too old, or of another kind; if
            it is there with another number of *partitions*, or is SQLite.

        StorageBusyError: If the database stayed locked past *timeout*.
    """
    await _migrate(
        engine,
        timeout,
        lambda schema: schema.move_up(revision),
        _prepare,
        partitions=partitions,
    )


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
    await _migrate(engine, timeout, lambda schema: schema.move_down(revision))


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
        return await conn.run_sync(lambda sync: revision_of(sync, read_catalogue(sync)))

    return await _transactions(engine, timeout).read(work)


async def check(bind: AsyncEngine | AsyncConnection) -> None:
    """
    Make sure that the database is at ``HEAD``; read it and change nothing.

    Raises:
        MigrationRequiredError: If it is empty, older or newer, or lacks a table: what
            was found, and what to run.
    """
    if isinstance(bind, AsyncEngine):
        missing = await _transactions(bind, _TIMEOUT_SECONDS).read(missing_tables)
    else:
        with translated_errors():
            missing = await missing_tables(bind)
    if missing:
        raise _lacking(missing)


async def check_schema(conn: AsyncConnection) -> None:
    """
    Make sure that a store can be opened on a database, with two short queries.

    A transaction that is open on *conn* goes on, whatever is found.
    """
    missing = await missing_tables(conn)
    # What needs none of them goes on. But further down a search_path may lie another
    # application's.
    if missing and (others := await conn.run_sync(found_elsewhere, missing)):
        raise _lacking(others)


def _lacking(names: Sequence[str]) -> MigrationRequiredError:
    return MigrationRequiredError(
        f"the database is at revision {HEAD}, but lacks {', '.join(names)}: restore"
        " them from a backup"
    )


async def missing_tables(conn: AsyncConnection) -> list[str]:
    """
    List the tables that a database lacks although it is at ``HEAD``.

    Raises:
        MigrationRequiredError: If it is not: what was found, and what to run.
    """
    return await conn.run_sync(_missing_tables)


def _missing_tables(conn: sa.Connection) -> list[str]:
    catalogue = read_catalogue(conn)
    found = revision_of(conn, catalogue)
    if found == HEAD:
        return [name for name in METADATA.tables if name not in catalogue.names]
    if found is None:
        refuse_foreign_tables(catalogue)
        state = f"{catalogue.place} has no tables of asm_async yet"
    else:
        refuse_unknown(found)
        state = f"{catalogue.place} is at revision {found}, and {HEAD} is needed"
    raise MigrationRequiredError(
        f"{state}: run `asm db upgrade --url URL`, or"
        " `await migrations.upgrade(engine)`"
    )


def _transactions(engine: AsyncEngine, timeout: float) -> Transactions:
    # Unlike a store's, it may be 0: to try once.
    seconds = fields.total_amount(timeout, "timeout")
    transactions = Transactions(engine, seconds, min_seconds=_MIN_SECONDS)
    engine_state(engine, transactions.dialect.renew_pool)
    return transactions


async def _migrate(
    engine: AsyncEngine,
    timeout: float,
    move: Callable[[Schema], None],
    prepare: Callable[[Transaction], Awaitable[None]] | None = None,
    *,
    partitions: int | None = None,
) -> None:
    transactions = _transactions(engine, timeout)
    transactions.dialect.check_engine(engine)
    check_partitions(partitions, engine.dialect.name)

    def move_on(conn: sa.Connection) -> None:
        with Schema.of(conn, partitions) as schema:
            move(schema)

    async def work(transaction: Transaction) -> None:
        if prepare is not None:
            await prepare(transaction)
        # The revision is read after the wait, when nobody else can change it any more.
        await transaction.dialect.lock_schema(transaction.conn, transaction.timeout)
        await transaction.conn.run_sync(move_on)

    await transactions.write(work, is_repeatable=True)


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
