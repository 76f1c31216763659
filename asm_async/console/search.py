"""
The list of sessions, searched by text as well.

Stores have no index of words. So a search looks at sessions one after another, in the
order of the list, for as long as one request may take, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import Any

import attrs

from asm_async.console.access import Reader
from asm_async.console.answers import RowPage
from asm_async.console.rows import first_words, given_title, rows_of
from asm_async.errors import NotFoundError
from asm_async.values.session import Session

_SECONDS_PER_REQUEST = 0.4

# Few at first, since most searches find something there.
_FIRST_SESSIONS = 50
_MAX_SESSIONS = 800


@attrs.frozen(kw_only=True)
class SessionFilters:
    """
    Which sessions to list, latest activity first.
    """

    found_by: Mapping[str, Any]
    """
    What ``search_sessions`` takes.
    """

    words: Sequence[str] = ()
    """
    What is to be found in a session's names, in lower case: all of these.
    """

    active_after: datetime | None = None
    """
    Only sessions that were written to later.
    """

    def is_recent(self, session: Session) -> bool:
        """
        Return whether a session was active late enough; those behind it are not.
        """
        active = session.last_activity_at or session.updated_at
        return self.active_after is None or active > self.active_after

    def admits(self, session: Session) -> bool:
        """
        Return whether a session that was in the list still belongs to it.

        Only what can change is looked at.
        """
        wanted = self.found_by
        if session.deleted_at is not None and not wanted.get("include_deleted"):
            return False
        if wanted.get("status") and session.status not in wanted["status"]:
            return False
        fields = ("agent_id", "user_id", "tenant_id", "parent_session_id")
        return set(wanted.get("tags", ())) <= set(session.tags) and all(
            wanted.get(name) in {None, getattr(session, name)} for name in fields
        )


def words_of(text: str | None) -> tuple[str, ...]:
    """
    Return the words to search for.
    """
    return tuple((text or "").casefold().split())


async def list_rows(
    reader: Reader,
    filters: SessionFilters,
    *,
    limit: int,
    cursor: str | None,
    count: bool = False,
) -> RowPage:
    """
    Return a page of the list.

    With words it may have fewer rows than *limit*, even none, and a cursor all the
    same: then it is not known yet whether there are more.
    """
    if filters.words:
        return await _search(reader, filters, limit, cursor)
    can_count = count and filters.active_after is None
    page = await _page(reader, filters, limit, cursor, count_total=can_count)
    recent = [session for session in page.items if filters.is_recent(session)]
    is_last = len(recent) < len(page.items)
    return {
        "items": await rows_of(reader, recent),
        "cursor": None if is_last else page.cursor,
        "total": page.total_count,
        "looked_at": len(page.items),
    }


async def _page(
    reader: Reader,
    filters: SessionFilters,
    limit: int,
    cursor: str | None,
    *,
    count_total: bool = False,
) -> Any:
    return await reader.view.search_sessions(
        **filters.found_by,
        order_by="last_activity_desc",
        with_context=False,
        limit=limit,
        cursor=cursor,
        count_total=count_total,
    )


async def _search(
    reader: Reader, filters: SessionFilters, limit: int, cursor: str | None
) -> RowPage:
    ends_at = perf_counter() + _SECONDS_PER_REQUEST
    found: list[Session] = []
    looked_at, size = 0, _FIRST_SESSIONS
    while True:
        page = await _page(reader, filters, size, cursor)
        size = min(2 * size, _MAX_SESSIONS)
        for index, session in enumerate(page.items, 1):
            if not filters.is_recent(session):
                return await _found(reader, found, None, looked_at)
            looked_at += 1
            if await _has_words(reader, session, filters.words):
                found.append(session)
            if len(found) == limit or perf_counter() > ends_at:
                # A cursor stands behind a whole page: one that ends here.
                if index < len(page.items):
                    page = await _page(reader, filters, index, cursor)
                return await _found(reader, found, page.cursor, looked_at)
        if (cursor := page.cursor) is None:
            return await _found(reader, found, None, looked_at)


async def _found(
    reader: Reader, sessions: Sequence[Session], cursor: str | None, looked_at: int
) -> RowPage:
    return {
        "items": await rows_of(reader, sessions),
        "cursor": cursor,
        "total": None,
        "looked_at": looked_at,
    }


async def _has_words(reader: Reader, session: Session, words: Sequence[str]) -> bool:
    title = given_title(session)
    names = (title, session.id, session.agent_id, session.user_id, *session.tags)
    text = "\n".join(filter(None, names)).casefold()
    missing = [word for word in words if word not in text]
    if not missing or title:
        return not missing
    # Without a title of its own a session is listed under what was said first.
    try:
        said = (await first_words(reader, session.id)).casefold()
    except NotFoundError:
        return False
    return all(word in said for word in missing)
