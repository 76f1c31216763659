"""
The converter of the guide, over what Ecto makes in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from asm_async import SessionStatus, open_ports
from asm_async.testing.session_store.contract import numbers_of
from tests.page_blocks import ROOT, blocks, run_block

PAGE = ROOT / "docs" / "howto" / "migrate-from-agent-session-manager.md"

# As Ecto's migration has them there: :map, {:array, :string}, :utc_datetime_usec.
TYPES = {
    **dict.fromkeys(
        (
            *("metadata", "context", "input", "output", "error"),
            *("token_usage", "provider_metadata", "data"),
        ),
        "jsonb",
    ),
    "tags": "varchar(255)[]",
    "timestamp": "timestamp(6)",
    "cost_usd": "float",
}


def type_of(column: str, declared: str) -> str:
    """
    Return the type of a column in PostgreSQL, of that in SQLite.
    """
    if column.endswith("_at"):
        return "timestamp(6)"
    return TYPES.get(column, {"TEXT": "varchar(255)"}.get(declared, declared))


async def copy(tables: sqlite3.Connection, other: asyncpg.Connection[Any]) -> None:
    """
    Make the guide's tables in PostgreSQL, and fill them with its rows.
    """
    names = tables.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    for (name,) in names.fetchall():
        columns = {
            column: type_of(column, declared)
            for _, column, declared, *_ in tables.execute(f"PRAGMA table_info({name})")
        }
        made = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        await other.execute(f"CREATE TABLE {name} ({made})")
        values = ", ".join(
            f"translate(${number}::text, '[]', '{{}}')::{kind}"
            if kind.endswith("[]")
            else f"${number}::text::{kind}"
            for number, kind in enumerate(columns.values(), start=1)
        )
        for row in tables.execute(f"SELECT * FROM {name}"):  # noqa: S608 - the page's tables
            texts = [None if each is None else str(each) for each in row]
            insert = f"INSERT INTO {name} VALUES ({values})"  # noqa: S608 - the same
            await other.execute(insert, *texts)


@pytest.mark.postgres
def test_a_database_of_ecto_in_postgresql_is_converted(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    JSON, arrays and times without a zone arrive as they do from an SQLite file.
    """
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    with asyncio.Runner() as runner:
        for block in blocks(PAGE):
            if block.language == "python":
                run_block(runner, namespace, PAGE, block)
        with closing(sqlite3.connect("elixir-asm.sqlite3")) as tables:
            runner.run(fill(postgres_url, tables))
        runner.run(expect_all(namespace["migrate"], postgres_url))


async def fill(url: str, tables: sqlite3.Connection) -> None:
    """
    Put the guide's tables where the converter is to read them.
    """
    plain = sa.make_url(url).set(drivername="postgresql")
    other = await asyncpg.connect(plain.render_as_string(hide_password=False))
    await copy(tables, other)
    await other.close()


async def expect_all(
    migrate: Callable[[str, str], Awaitable[list[Any]]], url: str
) -> None:
    """
    Convert twice, and find the sessions once, as they were.
    """
    source = sa.make_url(url).set(drivername="postgresql+asyncpg")
    text = source.render_as_string(hide_password=False)
    target = "sqlite:///from-postgresql.sqlite3"
    first = await migrate(text, target)
    again = await migrate(text, target)

    assert sum(report.events_imported for report in first) == 3
    assert sum(report.sessions_unchanged for report in again) == 2
    async with (
        open_ports(target) as there,
        open_ports("sqlite:///migrated-asm.sqlite3") as here,
    ):
        session = await there.store.get_session("ses_1")
        assert (session.tags, session.status) == (("winter",), SessionStatus.ACTIVE)
        events = await there.store.get_events("ses_1")
        assert numbers_of(events) == [2, 3]
        assert await there.query.export_session("ses_1") == (
            await here.query.export_session("ses_1")
        )
