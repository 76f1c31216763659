"""
How the artifacts of a session's large data are copied inside the database.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.copying import SessionCopy
from asm_async.sql.core.column_types import text
from asm_async.sql.core.tables import artifacts
from asm_async.values.moved_data import data_keys


async def copy_data(conn: AsyncConnection, copy: SessionCopy) -> None:
    """
    Register the contents of the source's large data for the copy too.

    Its events name them: they must stay when the source is removed.
    """
    before, after = data_keys(copy.source_id), data_keys(copy.target.id)
    key, place = artifacts.c.key, len(before) + 1
    made = sa.literal(after, text()).concat(sa.func.substr(key, place, type_=text()))
    values: dict[str, sa.ColumnElement[Any]] = {
        column.name: _as_it_is(column) for column in artifacts.c
    }
    target_id = sa.literal(copy.target.id, text())
    values |= {"id": made, "key": made, "session_id": target_id}
    is_its = artifacts.c.session_id == copy.source_id
    is_of_data = sa.func.substr(key, 1, len(before)) == before
    some = sa.select(*values.values()).where(is_its, is_of_data)
    await conn.execute(sa.insert(artifacts).from_select([*values], some))


def _as_it_is(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    # As text, in which JSON travels otherwise, PostgreSQL would not take it back.
    return sa.literal_column(f"asm_artifacts.{column.name}")
