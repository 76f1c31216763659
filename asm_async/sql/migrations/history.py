"""
The schema's history, and how a database is moved along it, statement by statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import sqlalchemy as sa

from asm_async.errors import (
    MigrationRequiredError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.sql.core.tables import METADATA
from asm_async.sql.dialects.catalogue import (
    Catalogue,
    first_schema_alone,
    read_catalogue,
)
from asm_async.sql.dialects.partitions import check_partitions, partitions_of
from asm_async.sql.migrations.partitions import laid_out

DIRECTORY = Path(__file__).parent
"""
Where the revisions lie, in ``versions``.
"""

HEAD = "0001"
"""
The revision that this version of the package works on.
"""

BASE = "base"
"""
What Alembic calls a database without any revision.
"""

VERSION_TABLE = "asm_alembic_version"
"""
In which a database keeps its revision, in Alembic's own form.
"""

RunScript: TypeAlias = Callable[[str, str], None]
"""
Runs the script of a name and a direction that is written for the database at hand.
"""

_CREATE = """\
CREATE TABLE IF NOT EXISTS asm_alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT asm_alembic_version_pkc PRIMARY KEY (version_num)
)"""
_INSERT = "INSERT INTO asm_alembic_version (version_num) VALUES ('{}')"
_UPDATE = "UPDATE asm_alembic_version SET version_num = '{}' WHERE version_num = '{}'"
_DROP = "DROP TABLE IF EXISTS asm_alembic_version"

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

    catalogue: Catalogue = attrs.field(factory=Catalogue)
    """
    What lies where the tables go.
    """

    partitions: int | None = None
    """
    How many partitions the tables of sessions have, or get; None for none.
    """

    @classmethod
    @contextmanager
    def of(
        cls, conn: sa.Connection, partitions: int | None = None
    ) -> Generator[Schema]:
        """
        Look which revision a database is at, in order to move it on this connection.

        Raises:
            UnsupportedOperationError: If it is not laid out in so many partitions.
        """
        check_partitions(partitions, conn.dialect.name)
        catalogue = read_catalogue(conn)
        with first_schema_alone(conn, catalogue):
            found = revision_of(conn, catalogue)
            if found is not None:
                partitions = partitions_of(conn, catalogue, partitions)
            yield cls(
                dialect_name=conn.dialect.name,
                found=found,
                execute=lambda statement: conn.execute(verbatim(statement)),
                catalogue=catalogue,
                partitions=partitions,
            )

    def move_up(self, target: str) -> None:
        """
        Bring it up to *target*; leave it where it is if it is there or further.
        """
        known = _revisions()
        for script in known[_count_done(known, self.found) : _count(known, target)]:
            if script.down_revision is None:
                refuse_foreign_tables(self.catalogue)
                self.execute(_CREATE)
            script.module.upgrade(self._run_script)
            self._stamp(script.revision, instead_of=script.down_revision)

    def move_down(self, target: str) -> None:
        """
        Bring it down to *target*; leave it where it is if it is there or further.
        """
        known = _revisions()
        undone = known[_count(known, target) : _count_done(known, self.found)]
        for script in reversed(undone):
            script.module.downgrade(self._run_script)
            if script.down_revision is None:
                self.execute(_DROP)
            else:
                self._stamp(script.down_revision, instead_of=script.revision)

    def _stamp(self, revision: str, *, instead_of: str | None) -> None:
        if instead_of is None:
            self.execute(_INSERT.format(revision))
        else:
            self.execute(_UPDATE.format(revision, instead_of))

    def _run_script(self, name: str, direction: str) -> None:
        file_name = f"{name}.{self.dialect_name}.{direction}.sql"
        for statement in _statements_of(DIRECTORY / "versions" / file_name):
            for each in laid_out(statement, self.partitions):
                self.execute(each)


def revision_of(conn: sa.Connection, catalogue: Catalogue) -> str | None:
    """
    Read the revision that a database is at, None if it has none.

    A database without the table raises no error, so that a transaction that goes on
    stays sound.
    """
    if VERSION_TABLE not in catalogue.names:
        return None
    version_num = sa.column("version_num", sa.String)
    table = sa.table(VERSION_TABLE, version_num, schema=catalogue.schema)
    return conn.scalar(sa.select(table.c.version_num))


def refuse_foreign_tables(catalogue: Catalogue) -> None:
    """
    Refuse a database without a revision that has tables of our tables' names.

    Raises:
        MigrationRequiredError: Naming them.
    """
    if taken := sorted(catalogue.names & METADATA.tables.keys()):
        raise MigrationRequiredError(
            f"{catalogue.place} has no revision of asm_async, but tables of its names:"
            f" {', '.join(taken)}. If nothing needs them, such as those that"
            " SQLAlchemy's create_all() made, drop them; if they are another"
            " program's, give asm_async a schema or database of its own. Then run"
            " `asm db upgrade --url URL`"
        )


def refuse_unknown(found: str) -> None:
    """
    Refuse a revision that this version does not know: no upgrade can cure that.
    """
    _count_done(_revisions(), found)


def verbatim(statement: str) -> sa.TextClause:
    """
    Pass *statement* to SQLAlchemy as it stands, without parameters.
    """
    return sa.text(statement.replace(":", r"\:"))


def preparation(dialect_name: str) -> Sequence[str]:
    """
    List the statements that a database needs before its first migration.

    They change what no transaction can change.
    """
    return _statements_of(DIRECTORY / f"prepare.{dialect_name}.sql")


def _statements_of(path: Path) -> Sequence[str]:
    """
    Read the statements of a script; each ends with a semicolon at the end of a line.
    """
    if not path.exists():
        raise UnsupportedOperationError(
            f"there is no {path.name}: the database must be SQLite or PostgreSQL"
        )
    *statements, _ = _END_OF_STATEMENT.split(path.read_text(encoding="utf-8"))
    return [statement.strip() for statement in statements]


def _revisions() -> Sequence[Any]:
    """
    Let Alembic find the revisions and put them in order, oldest first.
    """
    # Importing Alembic takes a fifth of a second. A store that opens on the right
    # schema does not come here.
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    return [*ScriptDirectory(DIRECTORY).walk_revisions()][::-1]


def _count_done(known: Sequence[Any], found: str | None) -> int:
    if found in {None, BASE}:
        return 0
    for count, script in enumerate(known, start=1):
        if script.revision == found:
            return count
    raise MigrationRequiredError(
        f"the database is at revision {found}, which this version of asm_async does not"
        f" have (it needs {HEAD}): use the version that migrated it"
    )


def _count(known: Sequence[Any], target: str) -> int:
    names = [BASE, *(script.revision for script in known)]
    if target == "head":
        return len(known)
    if target not in names:
        raise ValidationError(
            f"revision: {target!r} is not one of {', '.join([*names, 'head'])}"
        )
    return names.index(target)
