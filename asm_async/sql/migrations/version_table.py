"""
The table in which a database keeps its revision; Alembic's own form of it.
"""

from __future__ import annotations

import sqlalchemy as sa

VERSION_TABLE = "asm_alembic_version"

CREATE = """\
CREATE TABLE IF NOT EXISTS asm_alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT asm_alembic_version_pkc PRIMARY KEY (version_num)
)"""

DROP = "DROP TABLE IF EXISTS asm_alembic_version"

_INSERT = "INSERT INTO asm_alembic_version (version_num) VALUES ('{}')"
_UPDATE = "UPDATE asm_alembic_version SET version_num = '{}' WHERE version_num = '{}'"


def read_revision(conn: sa.Connection) -> str | None:
    """
    Read the revision that a database is at, None if it has none.

    A database without the table raises no error, so that a transaction that goes on
    stays sound.
    """
    if not sa.inspect(conn).has_table(VERSION_TABLE):
        return None
    version_num = sa.column("version_num", sa.String)
    return conn.scalar(sa.select(version_num).select_from(sa.table(VERSION_TABLE)))


def stamp(revision: str, *, instead_of: str | None) -> str:
    """
    Write the statement that moves a database from one revision to another.
    """
    if instead_of is None:
        return _INSERT.format(revision)
    return _UPDATE.format(revision, instead_of)
