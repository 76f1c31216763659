"""
Databases of other programs for tests, written by plain SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

# What the two databases call a table's types.
_TYPES: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "number": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "bytes": "BLOB",
        "json": "TEXT",
        "jsonb": "BLOB",
        "time": "DATETIME",
    },
    "postgresql": {
        "number": "SERIAL PRIMARY KEY",
        "bytes": "BYTEA",
        "json": "TEXT",
        "jsonb": "JSONB",
        "time": "TIMESTAMP",
    },
}


def quoted(name: str) -> str:
    """
    Return a name as SQL.
    """
    return '"' + name.replace('"', '""') + '"'


@attrs.frozen
class WrittenDatabase:
    """
    A database that a test writes, and an importer reads.
    """

    url: str
    engine: AsyncEngine

    @property
    def kind(self) -> str:
        """
        The name of the kind of database.
        """
        return self.engine.dialect.name

    async def create(self, table: str, *columns: str) -> None:
        """
        Create a table; ``{bytes}`` and the like stand for the database's types.
        """
        text = ", ".join(columns).format(**_TYPES[self.kind])
        async with self.engine.begin() as conn:
            await conn.execute(sa.text(f"CREATE TABLE {quoted(table)} ({text})"))

    async def insert(self, table: str, *rows: Mapping[str, Any]) -> None:
        """
        Insert rows, each with the same columns.
        """
        names = list(rows[0])
        columns = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join(f":{name}" for name in names)
        statement = f"INSERT INTO {quoted(table)} ({columns}) VALUES ({marks})"  # noqa: S608 - the tests' own names
        async with self.engine.begin() as conn:
            await conn.execute(sa.text(statement), list(map(dict, rows)))

    async def run(self, statement: str, **values: Any) -> None:
        """
        Carry out any other statement.
        """
        async with self.engine.begin() as conn:
            await conn.execute(sa.text(statement), values)

    async def rows(self, statement: str) -> Sequence[Any]:
        """
        Return what a statement finds.
        """
        async with self.engine.connect() as conn:
            return (await conn.execute(sa.text(statement))).all()
