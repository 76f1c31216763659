"""
How events are pruned: those that matter least first, the oldest of them first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.maintenance import Batch, Batches, do_all
from asm_async.fronts.retention import sessions_per_batch
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.tables import events, session_sequences
from asm_async.sql.dialects import Dialect
from asm_async.sql.reads.session_queries import is_retraction
from asm_async.sql.retention.batches import (
    MAX_ROWS_PER_TRANSACTION,
    ThrottledWriter,
    has_tag,
)
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates
from asm_async.values.retention import PROTECTED_EVENT_TYPES, RetentionPolicy
from asm_async.values.retraction import RETRACTIONS

# So many are found by one read, of one session or of a page of them.
_MAX_KEYS = 10_000

_STORED: sa.ColumnElement[int] = (
    session_sequences.c.last_sequence - session_sequences.c.pruned_count
)

_EventKey: TypeAlias = tuple[str, int]
"""
An event's session and sequence number.
"""


@attrs.frozen(kw_only=True)
class _Pruning:
    """
    Which events to prune, to how many, and how far that has come.
    """

    ranks: Sequence[sa.ColumnElement[bool]]
    """
    The conditions of the ranks of events that are still to be gone through.
    """

    scope: sa.ColumnElement[bool]
    order: Sequence[sa.Column[Any]]
    """
    What makes each event's place unique; session and sequence number come last.
    """

    surplus: sa.ScalarSelect[int]
    """
    Selects how many events are too many.
    """

    reached: tuple[Any, ...] | None = None
    """
    The place of the last event of the first rank that was found.
    """

    async def next_victims(
        self, conn: AsyncConnection, limit: int
    ) -> tuple[list[_EventKey], _Pruning | None]:
        """
        Find the events to prune next, no more than there are too many of.

        Both are seen at one moment: two maintainers who choose the same way at once
        then never remove more than one of them would.

        Returns:
            The events, and how to go on; None if these are all.
        """
        keys: list[_EventKey] = []
        reached = self.reached
        for index, condition in enumerate(self.ranks):
            query = (
                sa.select(*self.order, self.surplus.label("surplus"))
                .where(self.scope, condition)
                .order_by(*self.order)
                .limit(limit)
            )
            if reached is not None:
                query = query.where(is_behind(reached, self.order))
            found = (await conn.execute(query)).all()
            spare = max(0, found[0].surplus - len(keys)) if found else 0
            keys += [(row.session_id, row.sequence_number) for row in found[:spare]]
            if found and spare <= len(found):
                return keys, None
            if len(found) == limit:
                reached = tuple(found[-1])[:-1]
                return keys, attrs.evolve(
                    self, ranks=self.ranks[index:], reached=reached
                )
            reached = None
        return keys, None


def _is_kept(dialect: Dialect) -> sa.ColumnElement[bool]:
    """
    Make the condition that an event is its session's latest retraction.

    As long as it is there, what it hides is hidden. The older ones say nothing more.
    """
    later = events.alias("later").c
    is_overtaken = sa.exists().where(
        later.session_id == events.c.session_id,
        later.correlation_id == RETRACTIONS,
        is_retraction(later.type, dialect),
        later.sequence_number > events.c.sequence_number,
    )
    return is_retraction(events.c.type, dialect) & ~is_overtaken


def _ranks(policy: RetentionPolicy, dialect: Dialect) -> list[sa.ColumnElement[bool]]:
    """
    Make the condition of each rank of events, those that go first first.
    """
    # By the index of types, all events of a rank would be sorted for each page.
    type_ = dialect.without_index(events.c.type)
    is_first = type_.in_([str(one) for one in policy.prune_event_types_first])
    is_protected = type_.in_(sorted(str(one) for one in PROTECTED_EVENT_TYPES))
    return [is_first, ~is_first & ~is_protected, is_protected]


async def prune_long_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy
) -> Batches:
    """
    Prune every session that is longer than *policy* allows, a page at a time.
    """
    keep = policy.max_events_per_session
    if keep is None:
        return
    session_id = session_sequences.c.session_id
    query = sa.select(session_id).where(
        keep < _STORED,
        ~has_tag(session_id, policy.exempt_tags, writes.transactions.dialect),
    )
    found = writes.pages(query, [session_id], sessions_per_batch(policy))
    async with aclosing(found):
        async for page in found:
            ids = [row.session_id for row in page]
            batches = _prune_sessions(writes, policy, ids, keep)
            async with aclosing(batches):
                async for batch in batches:
                    yield batch


async def prune_session(
    writes: ThrottledWriter, policy: RetentionPolicy, session_id: str
) -> int:
    """
    Prune one session, whatever its tags, and count the events that are pruned.
    """
    keep = policy.max_events_per_session
    if keep is None:
        return 0
    untagged = attrs.evolve(policy, exempt_tags=())
    return await do_all(_prune_sessions(writes, untagged, [session_id], keep))


def _prune_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy, ids: Sequence[str], keep: int
) -> Batches:
    gates, dialect = session_sequences, writes.transactions.dialect
    ranks = _ranks(policy, dialect)
    prunings = [
        _Pruning(
            ranks=ranks,
            scope=(events.c.session_id == id_) & ~_is_kept(dialect),
            order=[events.c.session_id, events.c.sequence_number],
            surplus=sa.select(_STORED - keep)
            .where(gates.c.session_id == id_)
            .scalar_subquery(),
        )
        for id_ in ids
    ]
    return _prune(writes, policy, prunings, keep)


def prune_to_total(writes: ThrottledWriter, policy: RetentionPolicy) -> Batches:
    """
    Prune the oldest events of all sessions until no more are left than *policy* allows.
    """
    most, dialect = policy.max_total_events, writes.transactions.dialect
    # PostgreSQL adds whole numbers up to a numeric.
    total = sa.cast(sa.func.sum(_STORED), sa.BigInteger)
    pruning = _Pruning(
        ranks=_ranks(policy, dialect),
        scope=~has_tag(events.c.session_id, policy.exempt_tags, dialect)
        & ~_is_kept(dialect),
        order=[events.c.timestamp, events.c.session_id, events.c.sequence_number],
        surplus=sa.select(total - most).scalar_subquery(),
    )
    return _prune(writes, policy, [] if most is None else [pruning], keep=0)


async def _prune(
    writes: ThrottledWriter,
    policy: RetentionPolicy,
    prunings: Sequence[_Pruning],
    keep: int,
) -> Batches:
    """
    Find events and remove them, in as many transactions as it takes.

    Sessions with one of the exempt tags keep all; every other keeps at least *keep*.
    """
    while prunings:
        keys, prunings = await writes.transactions.read(partial(_find, prunings))
        count = 0
        for part in _parts(keys, sessions_per_batch(policy)):
            work = partial(_remove, keys=part, keep=keep, tags=policy.exempt_tags)
            count += await writes.write(work)
        yield Batch(count)


async def _find(
    prunings: Sequence[_Pruning], conn: AsyncConnection
) -> tuple[list[_EventKey], list[_Pruning]]:
    limit = _MAX_KEYS // len(prunings)
    keys: list[_EventKey] = []
    unfinished: list[_Pruning] = []
    for pruning in prunings:
        some, successor = await pruning.next_victims(conn, limit)
        keys += some
        if successor is not None:
            unfinished.append(successor)
    return keys, unfinished


def _parts(
    keys: Sequence[_EventKey], max_sessions: int
) -> Iterator[Sequence[_EventKey]]:
    part: list[_EventKey] = []
    session_ids: set[str] = set()
    # Sorting is stable: each session's keys stay in their order.
    for key in sorted(keys, key=lambda key: key[0]):
        session_ids.add(key[0])
        if len(part) == MAX_ROWS_PER_TRANSACTION or len(session_ids) > max_sessions:
            yield part
            part, session_ids = [], {key[0]}
        part.append(key)
    if part:
        yield part


async def _remove(
    transaction: Transaction,
    keys: Sequence[_EventKey],
    keep: int,
    tags: Collection[str],
) -> int:
    gates = await lock_gates(transaction, {session_id for session_id, _ in keys})
    # What was found may have become less by now, under another maintainer's hands.
    spare = {
        id_: gate.last_sequence - gate.pruned_count - keep
        for id_, gate in gates.items()
    }
    wanted: list[_EventKey] = []
    for session_id, number in keys:
        if spare.get(session_id, 0) > 0:
            spare[session_id] -= 1
            wanted.append((session_id, number))
    if not wanted:
        return 0
    is_tagged = has_tag(events.c.session_id, tags, transaction.dialect)
    removed = await transaction.conn.execute(
        sa.delete(events)
        .where(transaction.dialect.are_among(wanted), ~is_tagged)
        .returning(events.c.session_id)
    )
    counts = Counter(removed.scalars())
    if counts:
        await transaction.conn.execute(
            sa.update(session_sequences)
            .where(session_sequences.c.session_id == sa.bindparam("of_id"))
            .values(
                pruned_count=session_sequences.c.pruned_count + sa.bindparam("more")
            ),
            [{"of_id": id_, "more": counts[id_]} for id_ in sorted(counts)],
        )
    return counts.total()
