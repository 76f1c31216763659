"""
``asm db`` and ``asm health``: a schema, and what is wrong with a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from asm_async.cli.database import on_engine, url_of
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import confirm
from asm_async.cli.screen import Screen
from asm_async.cli.streams import print_output
from asm_async.cli.styles import ERROR

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

# SQLAlchemy is imported by what runs, so that the help of a command need not wait.


def upgrade(
    *,
    revision: str = "head",
    partitions: int | None = None,
    options: Options = DEFAULTS,
) -> None:
    """
    Bring the schema up to a revision; an SQLite file that is not there is made.

    With --json it prints an object with the member "revision".

    Args:
        revision: Where to go.

        partitions: Make the tables in so many hash partitions (PostgreSQL; 2 to 32).
    """
    from asm_async.sql import migrations  # noqa: PLC0415 - said above

    async def work(engine: AsyncEngine) -> str | None:
        await migrations.upgrade(
            engine, revision, timeout=options.timeout, partitions=partitions
        )
        return await migrations.current(engine, timeout=options.timeout)

    _print_revision(options, on_engine(options, work, may_create=True))


def downgrade(
    *,
    revision: str,
    yes: Annotated[bool, Parameter(alias="-y", show_default=False)] = False,
    options: Options = DEFAULTS,
) -> None:
    """
    Bring the schema down to a revision, and lose what it has no place for.

    With --json it prints an object with the member "revision".

    Args:
        revision: Where to go; "base" drops every table of asm_async.

        yes: Do not ask.
    """
    from asm_async.sql import migrations  # noqa: PLC0415 - said above

    async def work(engine: AsyncEngine) -> str | None:
        # Not before the database is known to be there.
        confirm(f"Bring the schema down to {revision}, and lose data?", yes=yes)
        await migrations.downgrade(engine, revision, timeout=options.timeout)
        return await migrations.current(engine, timeout=options.timeout)

    _print_revision(options, on_engine(options, work))


def current(*, options: Options = DEFAULTS) -> None:
    """
    Print the revision that the schema is at; "base" is none.

    With --json it prints an object with the member "revision".
    """
    from asm_async.sql import migrations  # noqa: PLC0415 - said above

    async def work(engine: AsyncEngine) -> str | None:
        return await migrations.current(engine, timeout=options.timeout)

    _print_revision(options, on_engine(options, work))


def print_sql(
    *,
    revision: str = "head",
    from_revision: str = "base",
    dialect: Literal["sqlite", "postgresql"] | None = None,
    partitions: int | None = None,
    options: Options = DEFAULTS,
) -> None:
    """
    Print the SQL of an upgrade, without connecting to a database.

    With --json it prints an object with the member "sql".

    Args:
        revision: Where it ends.

        from_revision: Where it begins.

        dialect: For which database, instead of --url.

        partitions: As in `db upgrade`.
    """
    from asm_async.sql import create_engine, migrations  # noqa: PLC0415 - said above

    name = dialect or create_engine(url_of(options)).dialect.name
    text = migrations.sql(
        name, revision, from_revision=from_revision, partitions=partitions
    )
    if options.as_json:
        Screen().json({"sql": text})
    else:
        print_output(text)


def _print_revision(options: Options, revision: str | None) -> None:
    name = revision or "base"
    if options.as_json:
        Screen().json({"revision": name})
    else:
        print_output(f"{name}\n")


def check_health(*, options: Options = DEFAULTS) -> int:
    """
    Look for what is wrong with a database; nothing is changed.

    It exits with 1 if anything is. With --json it prints an object with the members
    "is_healthy" and "issues", each with "kind", "subject" and "message".
    """
    from asm_async.sql import SQLMaintenance  # noqa: PLC0415 - said above

    async def work(engine: AsyncEngine) -> int:
        maintenance = SQLMaintenance(engine, timeout=options.timeout)
        issues = await maintenance.health_check()
        screen = Screen()
        if options.as_json:
            screen.json({"is_healthy": not issues, "issues": issues})
        elif issues:
            for issue in issues:
                subject = f" {issue.subject}: "
                screen.line((issue.kind.value, ERROR), subject, issue.message)
        elif not options.quiet:
            screen.line("healthy: nothing is wrong")
        return 1 if issues else 0

    return on_engine(options, work)
