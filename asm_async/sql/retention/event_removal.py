"""
How chosen events are removed from sessions that go on living.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import sqlalchemy as sa

from asm_async.sql.core.tables import events, session_sequences, session_tags
from asm_async.sql.retention.throttled_writer import (
    MAX_ROWS_PER_TRANSACTION,
    ThrottledWriter,
)
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work import Gate
from asm_async.sql.writes.unit_of_work_rows import lock_gates

__all__ = ["EventKey", "remove_events"]

EventKey: TypeAlias = tuple[str, int]
"""
An event's session and sequence number.
"""


async def remove_events(
    writes: ThrottledWriter,
    keys: Sequence[EventKey],
    *,
    keep: int | None,
    exempt_tags: Collection[str],
    most_sessions: int,
) -> int:
    """
    Remove events, in as many transactions as it takes, and count them as pruned.

    Args:
        writes: Where to write.

        keys: Which events, the first to go first; some may be gone already.

        keep: How many events a session keeps at least; None for no limit.

        exempt_tags: Sessions with one of these keep all.

        most_sessions: How many sessions one transaction locks at most.

    Returns:
        How many were there.
    """
    count = 0
    for part in _parts(keys, most_sessions):
        work = partial(_remove_part, keys=part, keep=keep, exempt_tags=exempt_tags)
        count += await writes.write(work)
    return count


def _parts(keys: Iterable[EventKey], most_sessions: int) -> Iterator[list[EventKey]]:
    part: list[EventKey] = []
    session_ids: set[str] = set()
    for key in keys:
        is_new = key[0] not in session_ids
        if len(part) == MAX_ROWS_PER_TRANSACTION or (
            is_new and len(session_ids) == most_sessions
        ):
            yield part
            part, session_ids = [], set()
        part.append(key)
        session_ids.add(key[0])
    if part:
        yield part


async def _remove_part(
    transaction: Transaction,
    keys: Sequence[EventKey],
    keep: int | None,
    exempt_tags: Collection[str],
) -> int:
    session_ids = {session_id for session_id, _ in keys}
    gates = await lock_gates(transaction, session_ids)
    exempt = await _tagged(transaction, session_ids, exempt_tags)
    unwanted = [key for key in _beyond(keys, gates, keep) if key[0] not in exempt]
    if not unwanted:
        return 0
    removed = await transaction.conn.execute(
        sa.delete(events)
        .where(transaction.dialect.are_among(unwanted))
        .returning(events.c.session_id)
    )
    return await _count_as_pruned(transaction, Counter(removed.scalars()))


def _beyond(
    keys: Iterable[EventKey], gates: Mapping[str, Gate], keep: int | None
) -> Iterator[EventKey]:
    """
    Give the first keys of each session: as many as it has events to spare.
    """
    given: Counter[str] = Counter()
    for session_id, number in keys:
        gate = gates.get(session_id)
        if gate is None:
            continue
        spare = gate.last_sequence - gate.pruned_count - (keep or 0)
        if given[session_id] < spare:
            given[session_id] += 1
            yield session_id, number


async def _tagged(
    transaction: Transaction, session_ids: Collection[str], tags: Collection[str]
) -> set[str]:
    if not tags:
        return set()
    members = transaction.dialect.members
    query = sa.select(session_tags.c.session_id).where(
        session_tags.c.session_id.in_(members(session_ids)),
        session_tags.c.tag.in_(members(tags)),
    )
    return set((await transaction.conn.execute(query)).scalars())


async def _count_as_pruned(transaction: Transaction, counts: Counter[str]) -> int:
    if counts:
        gates = session_sequences
        await transaction.conn.execute(
            sa.update(gates)
            .where(gates.c.session_id == sa.bindparam("of_id"))
            .values(pruned_count=gates.c.pruned_count + sa.bindparam("number")),
            [{"of_id": id_, "number": counts[id_]} for id_ in sorted(counts)],
        )
    return counts.total()
