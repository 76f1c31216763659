"""
Databases of others as they are read: a page of rows at a time, and never written to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import attrs

Row: TypeAlias = Mapping[str, Any]
"""
A row: its values by the names of their columns, as the driver returns them.
"""

MAX_PAGE_ROWS = 500
"""
How many rows are in memory at most.
"""

MAX_PAGE_BYTES = 4 * 2**20
"""
How large a page of rows may become, in bytes, before it ends; one row may be larger.
"""

_ROW_BYTES = 200


@attrs.frozen(kw_only=True)
class Query:
    """
    The rows of a table that have certain values, in an order that tells them apart.
    """

    table: str
    columns: Sequence[str]
    order_by: Sequence[str]
    """
    Columns that together are unique and never null.
    """

    where: Mapping[str, Any] = MappingProxyType({})
    """
    Values that columns must have.
    """

    descending: bool = False

    distinct: bool = False
    """
    Whether rows that are equal in *columns* are one.
    """

    server_times: Sequence[str] = ()
    """
    Columns of times without a zone that a server's own clock has written, by the zone
    that is set there; an SQLite file's are in UTC.
    """

    def statement(
        self, mark: str, *, after: bool = False, server_zone: str = ""
    ) -> str:
        """
        Return it as SQL, whose parameters are *mark* and a number.

        Args:
            mark: What stands before the number of a parameter: ``?`` or ``$``.

            after: Whether more parameters say behind which row the rows are.

            server_zone: What the server calls its own zone, as SQL, if it has one.
        """
        number = len(self.where)
        conditions = [
            f"{quoted(name)} = {mark}{place}"
            for place, name in enumerate(self.where, start=1)
        ]
        if after:
            order = ", ".join(quoted(name) for name in self.order_by)
            marks = ", ".join(
                f"{mark}{number + place}" for place in range(1, len(self.order_by) + 1)
            )
            sign = "<" if self.descending else ">"
            conditions.append(f"({order}) {sign} ({marks})")
        direction = " DESC" if self.descending else ""
        order = ", ".join(f"{quoted(name)}{direction}" for name in self.order_by)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        columns = ", ".join(
            f"{quoted(name)} AT TIME ZONE {server_zone}"
            if server_zone and name in self.server_times
            else quoted(name)
            for name in self.columns
        )
        # Names are of tables and columns that are there, and are quoted.
        select = "SELECT DISTINCT" if self.distinct else "SELECT"
        return f"{select} {columns} FROM {quoted(self.table)}{where} ORDER BY {order}"


class Source(Protocol):
    """
    A database that is read.
    """

    @property
    def is_postgresql(self) -> bool:
        """
        Whether it is a PostgreSQL server; an SQLite file if not.
        """
        ...

    async def tables(self) -> Mapping[str, Sequence[str]]:
        """
        Return the columns of each table, by name.
        """
        ...

    async def first(self, query: Query) -> Row | None:
        """
        Return the first row of a query; None if there is none.

        Raises:
            StorageError: If the database cannot be read.
        """
        ...

    def pages(self, query: Query) -> AsyncIterator[list[Row]]:
        """
        Yield the rows of a query, a page of bounded size at a time.

        Raises:
            StorageError: If the database cannot be read.
        """
        ...


def quoted(name: str) -> str:
    """
    Return the name of a table or a column as SQL.
    """
    return '"' + name.replace('"', '""') + '"'


def size_of(values: Sequence[object]) -> int:
    """
    Return about how many bytes a row takes.
    """
    return _ROW_BYTES + sum(
        len(value) for value in values if isinstance(value, str | bytes)
    )
