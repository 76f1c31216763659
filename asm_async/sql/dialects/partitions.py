"""
In how many hash partitions a database has the tables of sessions, or may have them.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.sql.dialects.catalogue import Catalogue
from asm_async.values import fields

_MIN_PARTITIONS: Final = 2

MAX_PARTITIONS: Final = 32
"""
How many parts a table may have. Many cost those who append and read in order: with 64
the rate of appends is half as high, and a page is merged from 64 indexes.
"""

_COUNT = sa.text(
    "SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass('asm_events')"
)


def check_partitions(partitions: int | None, dialect_name: str) -> None:
    """
    Refuse a number of partitions that no schema of the database could have.

    Raises:
        ValidationError: If it is not within 2 to :data:`MAX_PARTITIONS`.

        UnsupportedOperationError: If the database has no partitions.
    """
    if partitions is None:
        return
    number = fields.count(partitions, "partitions")
    if not _MIN_PARTITIONS <= number <= MAX_PARTITIONS:
        raise ValidationError(
            f"partitions: expected {_MIN_PARTITIONS} to {MAX_PARTITIONS}, got {number}"
        )
    if dialect_name == "sqlite":
        raise UnsupportedOperationError(
            "partitions: SQLite has none; use PostgreSQL, or leave the option out"
        )


def partitions_of(
    conn: sa.Connection, catalogue: Catalogue, wanted: int | None
) -> int | None:
    """
    Count the partitions of a schema that is there; None where it has none.

    Raises:
        UnsupportedOperationError: If it has not as many as are *wanted*.
    """
    if conn.dialect.name == "sqlite":
        return None
    found = conn.scalar(_COUNT) or None
    if wanted in {None, found}:
        return found
    layout = "is not partitioned" if found is None else f"has {found} partitions"
    raise UnsupportedOperationError(
        f"partitions: {catalogue.place} {layout}, and a schema that is there is not"
        f" laid out again: upgrade an empty schema or database with {wanted}"
        " partitions, and move the history into it with `asm export` and `asm import`"
    )
