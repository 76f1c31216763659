"""
How all sessions together are pruned to a number of events.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa

from asm_async.ports.maintenance_arguments import sessions_a_batch
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.core.tables import events, session_sequences
from asm_async.sql.retention.event_ranks import ranks
from asm_async.sql.retention.event_removal import remove_events
from asm_async.sql.retention.expiry import has_tag
from asm_async.sql.retention.keyset_pages import is_behind, rows_of
from asm_async.sql.retention.throttled_writer import ThrottledWriter
from asm_async.values.retention import RetentionPolicy

__all__ = ["prune_to_total"]

_MAX_KEYS = 10_000

_Place: TypeAlias = tuple[datetime, str, int]


async def prune_to_total(writes: ThrottledWriter, policy: RetentionPolicy) -> Batches:
    """
    Prune the oldest events there are until no more are left than *policy* allows.
    """
    most = policy.max_total_events
    if most is None:
        return
    # By the index of types all events of a rank would be sorted for each page of them.
    type_ = writes.dialect.without_index(events.c.type)
    for condition in ranks(policy, type_):
        reached: _Place | None = None
        while found := await _next_places(writes, policy, most, condition, reached):
            reached = found[-1]
            count = await remove_events(
                writes,
                [(session_id, number) for _, session_id, number in found],
                keep=None,
                exempt_tags=policy.exempt_tags,
                most_sessions=sessions_a_batch(policy),
            )
            yield Batch(count)


async def _next_places(
    writes: ThrottledWriter,
    policy: RetentionPolicy,
    most: int,
    condition: sa.ColumnElement[bool],
    after: _Place | None,
) -> list[_Place]:
    """
    Find the oldest events of one rank, no more than there are too many of.

    Both are seen at one moment: two maintainers who choose the same way at once then
    never remove more than one of them would.
    """
    order = [events.c.timestamp, events.c.session_id, events.c.sequence_number]
    stored = session_sequences.c.last_sequence - session_sequences.c.pruned_count
    # PostgreSQL adds whole numbers up to a numeric.
    total = sa.cast(sa.func.sum(stored), sa.BigInteger)
    surplus = sa.select(total - most).scalar_subquery()
    is_tagged = has_tag(events.c.session_id, policy.exempt_tags, writes.dialect)
    query = (
        sa.select(*order, surplus.label("surplus"))
        .where(condition, ~is_tagged)
        .order_by(*order)
        .limit(_MAX_KEYS)
    )
    if after is not None:
        query = query.where(is_behind(after, order))
    found = await rows_of(writes.transactions, query)
    spare = max(0, found[0].surplus) if found else 0
    return [
        (row.timestamp, row.session_id, row.sequence_number) for row in found[:spare]
    ]
