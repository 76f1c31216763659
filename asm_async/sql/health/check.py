"""
How a database is looked over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import MigrationRequiredError, StorageError
from asm_async.fronts.health_findings import Finding, bounded
from asm_async.ports.maintenance import MAX_ISSUES_PER_KIND
from asm_async.sql.core.error_translation import is_damage
from asm_async.sql.core.tables import METADATA
from asm_async.sql.dialects import Dialect
from asm_async.sql.health.queries import checks
from asm_async.sql.migrations import check_schema
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values.maintenance import HealthIssue, HealthIssueKind


async def check_health(transactions: Transactions) -> list[HealthIssue]:
    """
    Look for all that can be wrong; without our schema, only at the database itself.
    """
    dialect = transactions.dialect
    found = [
        *await _spared(transactions.read, partial(_integrity, dialect)),
        *await _spared(transactions.read, partial(_durability, dialect)),
    ]
    schema = await _spared(transactions.read, _schema)
    found += schema
    if not schema:
        found += await _spared(transactions.read_snapshot, _history)
    return bounded(dict.fromkeys(found))


async def _spared(
    read: Callable[
        [Callable[[AsyncConnection], Awaitable[list[Finding]]]],
        Awaitable[list[Finding]],
    ],
    look: Callable[[AsyncConnection], Awaitable[list[Finding]]],
) -> list[Finding]:
    """
    Look, and return a finding if the database is too damaged for that.
    """
    try:
        return await read(look)
    except StorageError as error:
        if not is_damage(error):
            raise
        return [_finding(HealthIssueKind.DATABASE_INTEGRITY, "database", str(error))]


def _finding(kind: HealthIssueKind, subject: str, message: str) -> Finding:
    return Finding(kind, ((subject, message),), 1)


async def _integrity(dialect: Dialect, conn: AsyncConnection) -> list[Finding]:
    faults = await dialect.integrity_faults(conn)
    return _findings(HealthIssueKind.DATABASE_INTEGRITY, faults)


async def _durability(dialect: Dialect, conn: AsyncConnection) -> list[Finding]:
    settings = await dialect.weak_settings(conn)
    return _findings(
        HealthIssueKind.WEAK_DURABILITY,
        [
            (name, f"{name} is {value}: a power cut can undo what was acknowledged")
            for name, value in settings
        ],
    )


def _findings(kind: HealthIssueKind, cases: Iterable[tuple[str, str]]) -> list[Finding]:
    return [_finding(kind, subject, message) for subject, message in cases]


async def _schema(conn: AsyncConnection) -> list[Finding]:
    try:
        await check_schema(conn)
    except MigrationRequiredError as error:
        return [_finding(HealthIssueKind.SCHEMA_VERSION, "schema", str(error))]
    missing = await conn.run_sync(_missing_tables)
    return _findings(
        HealthIssueKind.SCHEMA_VERSION,
        [(name, f"the table {name} is missing") for name in missing],
    )


def _missing_tables(conn: sa.Connection) -> list[str]:
    inspector = sa.inspect(conn)
    return [name for name in METADATA.tables if not inspector.has_table(name)]


async def _history(conn: AsyncConnection) -> list[Finding]:
    found: list[Finding] = []
    for check in checks():
        # The window counts before the limit cuts.
        query = (
            check.query.add_columns(sa.func.count().over().label("total"))
            .order_by("subject")
            .limit(MAX_ISSUES_PER_KIND)
        )
        rows = (await conn.execute(query)).all()
        if rows:
            cases = tuple((row.subject, check.message(row)) for row in rows)
            found.append(Finding(check.kind, cases, rows[0].total))
    return found
