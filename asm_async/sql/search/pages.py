"""
Pages of sessions, runs and events, as the database finds them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.paging import Paging
from asm_async.fronts.query_filters import EventSearch, RunSearch, SessionSearch
from asm_async.sql.core import rows
from asm_async.sql.dialects import dialect_of
from asm_async.sql.search.event_queries import (
    is_selective,
    number_of_events,
    page_of_events,
)
from asm_async.sql.search.search_queries import (
    matching_sessions,
    number_of,
    page_of_runs,
    page_of_sessions,
)
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session


async def read_session_page(
    conn: AsyncConnection, *, wanted: SessionSearch, paging: Paging, count_total: bool
) -> Page[Session]:
    """
    Read a page of sessions and, in a second statement, count what is on all pages.
    """
    found = await _planned(conn, page_of_sessions(wanted, paging))
    sessions = [rows.session_from_row(row) for row in found.mappings()]
    total_count: int | None = None
    if count_total:
        total_count = await conn.scalar(number_of(matching_sessions(wanted)))
    return paging.page(sessions, total_count)


async def read_run_page(
    conn: AsyncConnection, *, wanted: RunSearch, paging: Paging
) -> Page[Run]:
    """
    Read a page of runs.
    """
    found = await _planned(conn, page_of_runs(wanted, paging, dialect_of(conn)))
    return paging.page([rows.run_from_row(row) for row in found.mappings()])


async def read_event_page(
    conn: AsyncConnection, *, wanted: EventSearch, paging: Paging
) -> Page[Event]:
    """
    Read a page of events.

    What is asked first decides about the way to find the page, not about the page.
    """
    dialect = dialect_of(conn)
    asked = is_selective(wanted, paging, dialect)
    is_sorted = asked is not None and (await _planned(conn, asked)).scalar_one()
    query = page_of_events(wanted, paging, dialect, is_sorted=is_sorted)
    found = await _planned(conn, query)
    return paging.page([rows.event_from_row(row) for row in found])


async def count_matching_events(conn: AsyncConnection, *, wanted: EventSearch) -> int:
    """
    Count events.
    """
    counted = number_of_events(wanted, dialect_of(conn))
    return int((await _planned(conn, counted)).scalar_one())


async def _planned(conn: AsyncConnection, query: sa.Executable) -> sa.CursorResult[Any]:
    await dialect_of(conn).force_custom_plan(conn)
    return await conn.execute(query)
