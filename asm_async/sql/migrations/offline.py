"""
The schema as a script, for those who apply SQL by hand.
"""

from __future__ import annotations

from asm_async.sql.migrations.history import BASE
from asm_async.sql.migrations.moves import Schema, preparation


def sql(dialect_name: str, revision: str = "head", *, from_revision: str = BASE) -> str:
    """
    Write the SQL that brings a database up to a revision, its version table included.

    Applying it and :func:`upgrade` give the same database.

    Args:
        dialect_name: ``sqlite`` or ``postgresql``.

        revision: Where to go.

        from_revision: Where the database is; "base" has none of our tables.

    Returns:
        A script of one transaction.

    Raises:
        UnsupportedOperationError: If the dialect is neither.

        ValidationError: If *revision* is unknown.

        MigrationRequiredError: If *from_revision* is.
    """
    statements = [*preparation(dialect_name), "BEGIN"]
    schema = Schema(
        dialect_name=dialect_name, found=from_revision, execute=statements.append
    )
    schema.move_up(revision)
    statements.append("COMMIT")
    return "\n".join(f"{statement};\n" for statement in statements)
