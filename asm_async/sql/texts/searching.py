"""
How a page of texts is found: which rows, which of them are hidden, what they belong to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.loop_share import in_pieces
from asm_async.fronts.paging import Paging
from asm_async.fronts.text_filters import FoundText, TextFilter
from asm_async.sql.core import rows
from asm_async.sql.core.column_types import without
from asm_async.sql.core.tables import events, sessions
from asm_async.sql.dialects import Dialect
from asm_async.sql.reads.session_queries import is_retraction
from asm_async.sql.search.search_queries import Conditions
from asm_async.sql.texts.text_queries import (
    MAX_SORTED,
    has_phrases,
    is_wanted,
    number_of_events,
    page_of_texts,
    sessions_wanted,
)
from asm_async.values.event import Event
from asm_async.values.retraction import RETRACTIONS, Ranges, hidden_ranges, is_hidden
from asm_async.values.session import Session
from asm_async.values.text_query import TextQuery

# Where what is found is hidden, more is looked for at a time.
_GROWTH = 4
_MAX_LIMIT = 1_000


@attrs.frozen
class _Part:
    """
    Rows that are found in one way.
    """

    conditions: Conditions
    paging: Paging
    in_order: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen(kw_only=True)
class TextPage:
    """
    The search for one page.
    """

    wanted: TextFilter
    query: TextQuery
    paging: Paging
    dialect: Dialect

    async def find(self, conn: AsyncConnection) -> list[FoundText]:
        """
        Find as many texts as the page needs, on a connection that sees one moment.
        """
        await self.dialect.force_custom_plan(conn)
        found: list[Any] = []
        for part in await self._parts(conn):
            found += await self._find(conn, part)
            if len(found) >= self.paging.needed:
                break
        return await self._found(conn, found[: self.paging.needed])

    async def _find(self, conn: AsyncConnection, part: _Part) -> list[Any]:
        """
        Find as many rows of a part as the page needs, or all that it has.
        """
        paging, found = part.paging, list[Any]()
        while True:
            page = page_of_texts(
                self.query,
                paging,
                self.dialect,
                part.conditions,
                in_order=part.in_order,
            )
            candidates = (await conn.execute(page)).all()
            found += await self._visible(conn, candidates)
            is_last = len(candidates) < paging.needed
            if is_last or len(found) >= self.paging.needed:
                return found
            last = candidates[-1]
            paging = attrs.evolve(
                paging,
                behind=tuple(getattr(last, name) for name in paging.order.key),
                limit=min(_GROWTH * paging.limit, _MAX_LIMIT),
            )

    async def _parts(self, conn: AsyncConnection) -> list[_Part]:
        """
        Decide how to find the page: in one part, or in two that follow each other.
        """
        dialect, wanted, query, paging = (
            self.dialect,
            self.wanted,
            self.query,
            self.paging,
        )
        index, is_by_time = dialect.text_index, "rank" not in paging.order.key
        decide = has_phrases(query, dialect, is_narrowed=True)
        compare = has_phrases(query, dialect, is_narrowed=False)
        usual = is_wanted(wanted, dialect, in_order=False)
        split = await index.split(conn, query, MAX_SORTED)
        if split is None:
            return [_Part([index.narrowed(query), *decide, *usual], paging)]
        theirs = sessions_wanted(wanted)
        if theirs is not None and await self._are_few(conn, theirs):
            return [_Part([index.events_of(theirs), *compare, *usual], paging)]
        if is_by_time:
            usual = is_wanted(wanted, dialect, in_order=True)
            narrowed = index.narrowed_in_order(query)
            return [_Part([narrowed, *compare, *usual], paging, in_order=True)]
        latest = [split.latest, *decide, *usual]
        earlier = [split.earlier, *decide, *usual]
        # No text that was ranked has a rank of nothing.
        is_earlier = paging.behind is not None and not paging.behind[0]
        by_time = attrs.evolve(
            paging,
            order=wanted.ORDERS["time"],
            behind=paging.behind[1:] if paging.behind and is_earlier else None,
        )
        parts = [_Part(latest, paging), _Part(earlier, by_time)]
        return parts[1:] if is_earlier else parts

    async def _are_few(self, conn: AsyncConnection, theirs: sa.Select[str]) -> bool:
        counted = number_of_events(theirs, MAX_SORTED + 1)
        return (await conn.execute(counted)).scalar_one() <= MAX_SORTED

    async def _visible(
        self, conn: AsyncConnection, candidates: Sequence[Any]
    ) -> list[Any]:
        """
        Leave out what the latest retraction of its session hides.
        """
        hidden = await self._hidden(conn, {row.session_id for row in candidates})
        return [
            row
            for row in candidates
            if not is_hidden(row.sequence_number, hidden.get(row.session_id, ()))
        ]

    async def _hidden(
        self, conn: AsyncConnection, session_ids: Collection[str]
    ) -> dict[str, Ranges]:
        if not session_ids:
            return {}
        latest = (
            sa.select(
                events.c.session_id,
                sa.func.max(events.c.sequence_number).label("number"),
            )
            .where(
                events.c.correlation_id == RETRACTIONS,
                self.dialect.is_one_of(events.c.session_id, session_ids),
                is_retraction(events.c.type, self.dialect),
            )
            .group_by(events.c.session_id)
            .subquery()
        )
        is_latest = sa.and_(
            events.c.session_id == latest.c.session_id,
            events.c.sequence_number == latest.c.number,
        )
        query = sa.select(events.c.session_id, events.c.data)
        found = await conn.execute(query.join(latest, is_latest))
        return {session_id: hidden_ranges(data) for session_id, data in found}

    async def _found(
        self, conn: AsyncConnection, found: Sequence[Any]
    ) -> list[FoundText]:
        """
        Read the events and the sessions of the rows that were found.
        """
        if not found:
            return []
        all_sessions = await self._sessions(conn, {row.session_id for row in found})
        all_events = await self._events(
            conn,
            [(r.session_id, r.sequence_number) for r in found if r.sequence_number],
        )
        return [
            FoundText(
                session=all_sessions[row.session_id],
                event=all_events.get((row.session_id, row.sequence_number)),
                rank=getattr(row, "rank", 0),
            )
            for row in found
        ]

    async def _sessions(
        self, conn: AsyncConnection, session_ids: Collection[str]
    ) -> dict[str, Session]:
        columns = without(rows.SESSION_COLUMNS, {"context"})
        are_theirs = self.dialect.is_one_of(sessions.c.id, session_ids)
        found = await conn.execute(sa.select(*columns).where(are_theirs))
        return {each.id: each for each in await in_pieces(rows.session_of, found)}

    async def _events(
        self, conn: AsyncConnection, keys: Collection[tuple[str, int]]
    ) -> dict[tuple[str, int], Event]:
        if not keys:
            return {}
        query = sa.select(events).where(self.dialect.are_among(keys))
        found = await in_pieces(Event.from_stored, await conn.execute(query))
        return {(each.session_id, each.sequence_number): each for each in found}
