"""
What the logs of sessions must look like, whoever wrote them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLSessionStore, tables
from tests.fault.writing_processes import Acknowledged

__all__ = ["check_feed", "check_histories"]


async def check_histories(
    store: SQLSessionStore,
    sessions: Sequence[str],
    acknowledged: Iterable[Acknowledged],
    *,
    is_complete: bool,
) -> None:
    """
    Assert that the logs are dense and hold what was acknowledged, each event once.

    Args:
        store: Where to read.

        sessions: Whose logs.

        acknowledged: What the writers were told, each writer's in its order.

        is_complete: Whether the writers were told of all that is stored.
    """
    told: dict[str, dict[str, int]] = defaultdict(dict)
    for one in acknowledged:
        assert one.event_id not in told[one.session_id]
        told[one.session_id][one.event_id] = one.sequence_number
    for session_id in sessions:
        events = await store.get_events(session_id)
        stored = {event.id: event.sequence_number for event in events}

        assert list(stored.values()) == list(range(1, len(events) + 1))
        assert await store.get_latest_sequence(session_id) == len(events)
        assert told[session_id].items() <= stored.items()
        if is_complete:
            assert told[session_id] == stored
        check_order(stored)


def check_order(ids: Iterable[str]) -> None:
    """
    Assert that the events of each writer stand in the order in which it wrote them.

    Args:
        ids: In the order of the log; made of a writer's name and its count.
    """
    last: dict[str, int] = defaultdict(lambda: -1)
    for id_ in ids:
        writer, _, number = id_.rpartition("-")
        assert int(number) > last[writer], id_
        last[writer] = int(number)


async def check_feed(engine: AsyncEngine) -> None:
    """
    Assert that the columns of the feed order each session's events by number.
    """
    columns = "transaction_id, position"
    if engine.dialect.name == "sqlite":
        columns = "position"
    events = tables.events.c
    query = sa.select(events.session_id, events.sequence_number).order_by(
        sa.text(columns)
    )
    async with engine.connect() as conn:
        rows = (await conn.execute(query)).all()
    last: dict[str, int] = defaultdict(int)
    for session_id, number in rows:
        assert number > last[session_id]
        last[session_id] = number
