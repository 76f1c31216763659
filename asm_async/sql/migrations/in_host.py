"""
Our revisions for others to run: as a script, or within an application's own revisions.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from asm_async.errors import ValidationError
from asm_async.sql.core.tables import METADATA
from asm_async.sql.core.text_tables import ALL_TEXT_TABLES
from asm_async.sql.dialects.partitions import check_partitions
from asm_async.sql.migrations.history import (
    BASE,
    VERSION_TABLE,
    Schema,
    preparation,
    verbatim,
)
from asm_async.sql.migrations.partitions import is_of_partitions


def sql(
    dialect_name: str,
    revision: str = "head",
    *,
    from_revision: str = BASE,
    partitions: int | None = None,
) -> str:
    """
    Write the SQL that brings a database up to a revision, its version table included.

    Applying it and :func:`upgrade` give the same database.

    Args:
        dialect_name: ``sqlite`` or ``postgresql``.

        revision: Where to go.

        from_revision: Where the database is; "base" has none of our tables.

        partitions: As in :func:`upgrade`.

    Returns:
        A script of one transaction.

    Raises:
        UnsupportedOperationError: If the dialect is neither, or has no *partitions*.

        ValidationError: If *revision* is unknown, or *partitions* is out of range.

        MigrationRequiredError: If *from_revision* is.
    """
    check_partitions(partitions, dialect_name)
    statements = [*preparation(dialect_name), "BEGIN"]
    schema = Schema(
        dialect_name=dialect_name,
        found=from_revision,
        execute=statements.append,
        partitions=partitions,
    )
    schema.move_up(revision)
    statements.append("COMMIT")
    return "\n".join(f"{statement};\n" for statement in statements)


def up(
    revision: str = "head",
    *,
    from_revision: str = BASE,
    partitions: int | None = None,
) -> None:
    """
    Bring the database up to a revision, from within ``upgrade()`` of your own revision.

    It happens in the transaction of your migration, and changes nothing where the
    database is there or further. Name the revision, so that your history means the same
    next year; a later revision of yours then takes the next step.

    Args:
        revision: Where to go.

        from_revision:
            Where the database is, for ``alembic upgrade --sql``, which cannot look;
            "base" has none of our tables. Not used where there is a database.

        partitions: As in :func:`upgrade`.

    Raises:
        ValidationError: If *revision* is unknown, or *partitions* is out of range.

        MigrationRequiredError: If the database is at a revision that is unknown.

        UnsupportedOperationError: If it is there with another number of *partitions*,
            or is SQLite.
    """
    with _schema(from_revision, partitions) as schema:
        schema.move_up(revision)


def down(revision: str, *, from_revision: str | None = None) -> None:
    """
    Bring the database down to a revision, from within ``downgrade()`` of your own.

    "base" drops every table of this package. Otherwise as :func:`up`.

    Args:
        revision: Where to go: where your ``upgrade()`` came from.

        from_revision:
            Where the database is, for ``alembic downgrade --sql``, which cannot look.
            Not used where there is a database.

    Raises:
        ValidationError: If *revision* is unknown, or *from_revision* is missing where
            there is no database to look at.

        MigrationRequiredError: If the database is at a revision that is unknown.
    """
    with _schema(from_revision) as schema:
        schema.move_down(revision)


def include_name(name: str | None, type_: str, parent_names: object) -> bool:  # noqa: ARG001 - the signature that Alembic calls
    """
    Keep ``alembic revision --autogenerate`` from proposing to drop our tables.

    Pass it to ``context.configure(include_name=...)`` in your ``env.py``, or call it
    from the function that you give there.

    Returns:
        False for a table of this package, in whichever schema it lies.
    """
    if type_ != "table":
        return True
    known = {*METADATA.tables, *ALL_TEXT_TABLES, VERSION_TABLE}
    return name not in known and not is_of_partitions(name or "")


@contextmanager
def _schema(
    from_revision: str | None, partitions: int | None = None
) -> Generator[Schema]:
    from alembic import op  # noqa: PLC0415 - slow to import, and needed only here

    host = op.get_context()
    if host.as_sql:
        if from_revision is None:
            raise ValidationError("from_revision: a downgrade with --sql needs it")
        check_partitions(partitions, host.dialect.name)
        yield Schema(
            dialect_name=host.dialect.name,
            found=from_revision,
            execute=lambda statement: host.execute(verbatim(statement)),
            partitions=partitions,
        )
    else:
        conn = op.get_bind()
        # Python's driver for SQLite begins no transaction before DDL. The savepoint is
        # one, so that a migration that fails or is killed leaves nothing half done.
        with conn.begin_nested(), Schema.of(conn, partitions) as schema:
            yield schema
