"""
How far sessions and the feed have come.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from asm_async.sql.core.tables import events, session_sequences, sessions
from asm_async.sql.dialects.feed import FeedDialect

__all__ = ["newest_place", "session_standing", "sessions_standing"]


def session_standing(session_id: str) -> sa.Select[*tuple[Any, ...]]:
    """
    Select a session's latest number, the state of its gate, and its status.
    """
    return _standings().where(session_sequences.c.session_id == session_id)


def sessions_standing(session_ids: sa.Select[str]) -> sa.Select[*tuple[Any, ...]]:
    """
    Select what :func:`session_standing` does, of several sessions.
    """
    return _standings().where(session_sequences.c.session_id.in_(session_ids))


def _standings() -> sa.Select[*tuple[Any, ...]]:
    gates = session_sequences
    return (
        sa.select(gates.c.session_id, gates.c.last_sequence, gates.c.state)
        .add_columns(sessions.c.status)
        .select_from(gates.outerjoin(sessions, sessions.c.id == gates.c.session_id))
    )


def newest_place(feed: FeedDialect) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the place of the last event, settled or not.
    """
    backwards = [column.desc() for column in feed.order]
    return (
        sa.select(feed.transaction, feed.position)
        .select_from(events)
        .order_by(*backwards)
        .limit(1)
    )
