"""
Moving a schema along its history, statement by statement, wherever the statements go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import sqlalchemy as sa

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.migrations.history import DIRECTORY, History, Revision, RunScript
from asm_async.sql.migrations.version_table import CREATE, DROP, stamp

_END_OF_STATEMENT = re.compile(r";[ \t]*$", re.MULTILINE)


@attrs.frozen(kw_only=True)
class Schema:
    """
    A database's schema, as far as it must be known in order to move it.

    A revision gets all that it needs from here. Alembic's ``op`` would be wrong for it:
    there is one for the whole process, so that two databases that are migrated at once
    would get each other's statements, and so would the application inside whose own
    revision ours runs.
    """

    dialect_name: str

    found: str | None
    """
    The revision it is at.
    """

    execute: Callable[[str], object]
    """
    Takes one statement, without its semicolon.
    """

    def move_up(self, target: str) -> None:
        """
        Bring it up to *target*; leave it where it is if it is there or further.

        Raises:
            ValidationError: If *target* is no revision.

            MigrationRequiredError: If the revision found is unknown.
        """
        for revision in History.load().path_up(self.found, target):
            if revision.builds_on is None:
                self.execute(CREATE)
            revision.upgrade(self._runner(revision))
            self.execute(stamp(revision.id, instead_of=revision.builds_on))

    def move_down(self, target: str) -> None:
        """
        Bring it down to *target*; leave it where it is if it is there or further.

        Raises:
            ValidationError: If *target* is no revision.

            MigrationRequiredError: If the revision found is unknown.
        """
        for revision in History.load().path_down(self.found, target):
            revision.downgrade(self._runner(revision))
            if revision.builds_on is None:
                self.execute(DROP)
            else:
                self.execute(stamp(revision.builds_on, instead_of=revision.id))

    def _runner(self, revision: Revision) -> RunScript:
        def run_script(name: str, direction: str) -> None:
            file_name = f"{name}.{self.dialect_name}.{direction}.sql"
            for statement in _read_script(revision.directory / file_name):
                self.execute(statement)

        return run_script


def verbatim(statement: str) -> sa.TextClause:
    """
    Give *statement* to SQLAlchemy as it stands, without parameters.
    """
    return sa.text(statement.replace(":", r"\:"))


def preparation(dialect_name: str) -> Sequence[str]:
    """
    List the statements that a database needs before its first migration.

    They change what no transaction can change.
    """
    return _read_script(DIRECTORY / f"prepare.{dialect_name}.sql")


def _read_script(path: Path) -> Sequence[str]:
    """
    Read the statements of a script; each ends with a semicolon at the end of a line.
    """
    if not path.exists():
        raise UnsupportedOperationError(
            f"there is no {path.name}: the database must be SQLite or PostgreSQL"
        )
    *statements, _ = _END_OF_STATEMENT.split(path.read_text(encoding="utf-8"))
    return [statement.strip() for statement in statements]
