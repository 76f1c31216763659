"""
How sessions that hold too many events are pruned, each to the same number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import aclosing

import sqlalchemy as sa

from asm_async.ports.maintenance_arguments import sessions_a_batch
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.core.tables import events, session_sequences
from asm_async.sql.retention.event_ranks import rank, ranks
from asm_async.sql.retention.event_removal import EventKey, remove_events
from asm_async.sql.retention.expiry import has_tag
from asm_async.sql.retention.keyset_pages import Rows, groups, pages, rows_of
from asm_async.sql.retention.throttled_writer import ThrottledWriter
from asm_async.values.retention import RetentionPolicy

__all__ = ["prune_long_sessions", "prune_session"]

_MAX_EVENTS_TO_SORT = 20_000
_MAX_KEYS = 10_000

_STORED: sa.ColumnElement[int] = (
    session_sequences.c.last_sequence - session_sequences.c.pruned_count
)


async def prune_long_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy
) -> Batches:
    """
    Prune every session that is longer than *policy* allows, a page at a time.
    """
    keep = policy.max_events_per_session
    if keep is None:
        return
    gates = session_sequences
    is_tagged = has_tag(gates.c.session_id, policy.exempt_tags, writes.dialect)
    query = _lengths().where(keep < _STORED, ~is_tagged)
    order = [gates.c.session_id]
    found = pages(writes.transactions, query, order, sessions_a_batch(policy))
    async with aclosing(found):
        async for page in found:
            for group in groups(page, lambda row: row.stored, _MAX_EVENTS_TO_SORT):
                count = await _prune(writes, policy, keep, group, policy.exempt_tags)
                yield Batch(count)


async def prune_session(
    writes: ThrottledWriter, policy: RetentionPolicy, session_id: str
) -> int:
    """
    Prune one session, whatever its tags.
    """
    keep = policy.max_events_per_session
    if keep is None:
        return 0
    query = _lengths().where(
        session_sequences.c.session_id == session_id, keep < _STORED
    )
    found = await rows_of(writes.transactions, query)
    return await _prune(writes, policy, keep, found, ()) if found else 0


def _lengths() -> sa.Select[str, int]:
    return sa.select(session_sequences.c.session_id, _STORED.label("stored"))


async def _prune(
    writes: ThrottledWriter,
    policy: RetentionPolicy,
    keep: int,
    group: Rows,
    exempt_tags: Collection[str],
) -> int:
    if sum(row.stored for row in group) > _MAX_EVENTS_TO_SORT:
        (long,) = group
        return await _prune_long(writes, policy, keep, long.session_id, exempt_tags)
    keys = await _surplus(writes, policy, keep, [row.session_id for row in group])
    return await remove_events(
        writes,
        keys,
        keep=keep,
        exempt_tags=exempt_tags,
        most_sessions=sessions_a_batch(policy),
    )


async def _surplus(
    writes: ThrottledWriter,
    policy: RetentionPolicy,
    keep: int,
    session_ids: Sequence[str],
) -> list[EventKey]:
    """
    Find what is to be pruned of some sessions, with all their events sorted at once.
    """
    place = sa.func.row_number().over(
        partition_by=events.c.session_id,
        order_by=(rank(policy), events.c.sequence_number),
    )
    members = writes.dialect.members(session_ids)
    ranked = (
        sa.select(events.c.session_id, events.c.sequence_number, place.label("place"))
        .where(events.c.session_id.in_(members))
        .subquery()
    )
    query = (
        sa.select(ranked.c.session_id, ranked.c.sequence_number)
        .join(
            session_sequences,
            session_sequences.c.session_id == ranked.c.session_id,
        )
        .where(ranked.c.place <= _STORED - keep)
        .order_by(ranked.c.session_id, ranked.c.place)
    )
    return [(row[0], row[1]) for row in await rows_of(writes.transactions, query)]


async def _prune_long(
    writes: ThrottledWriter,
    policy: RetentionPolicy,
    keep: int,
    session_id: str,
    exempt_tags: Collection[str],
) -> int:
    """
    Prune a session that is too long to be sorted again for each part.

    It is gone through once for each rank, and for what has been appended since.
    """
    count, reached = 0, [0, 0, 0]
    conditions = ranks(policy)
    while True:
        keys: list[EventKey] = []
        for index, condition in enumerate(conditions):
            keys = await _next_keys(writes, session_id, keep, condition, reached[index])
            if keys:
                reached[index] = keys[-1][1]
                break
        if not keys:
            return count
        count += await remove_events(
            writes,
            keys,
            keep=keep,
            exempt_tags=exempt_tags,
            most_sessions=sessions_a_batch(policy),
        )


async def _next_keys(
    writes: ThrottledWriter,
    session_id: str,
    keep: int,
    condition: sa.ColumnElement[bool],
    after: int,
) -> list[EventKey]:
    spare = (
        sa.select(_STORED - keep)
        .where(session_sequences.c.session_id == session_id)
        .scalar_subquery()
    )
    number = events.c.sequence_number
    query = (
        sa.select(number, spare.label("spare"))
        .where(events.c.session_id == session_id, number > after, condition)
        .order_by(number)
        .limit(_MAX_KEYS)
    )
    found = await rows_of(writes.transactions, query)
    surplus = max(0, found[0].spare) if found else 0
    return [(session_id, row.sequence_number) for row in found[:surplus]]
