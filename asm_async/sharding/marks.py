"""
What a mover has marked at a primary: keys that are being copied, or have moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sharding.fences import (
    PLACES,
    changes,
    moving_keys,
    read_claims,
    shard_in,
    shards,
)
from asm_async.sharding.router import Primary
from asm_async.sharding.shards import ShardState, shard_key
from asm_async.sql.core import tables
from asm_async.sql.transactions.transaction import Transaction


async def keys_of(conn: AsyncConnection, shard: int) -> dict[str, int]:
    """
    Return a shard's keys that are at a primary, with how many events each has.
    """
    sizes: dict[str, int] = {}
    for table, columns in PLACES.items():
        place = sa.func.coalesce(*columns, None)
        size: sa.ColumnElement[int] = sa.literal(0)
        if table is tables.session_sequences:
            size = table.c.last_sequence - table.c.pruned_count
        query = sa.select(place, size).where(shard_in(conn, place) == shard)
        for id_, count in await conn.execute(query):
            key = shard_key(id_)
            sizes[key] = sizes.get(key, 0) + count
    # Their counters remain.
    for key in await moved_keys(conn, shard):
        sizes.pop(key, None)
    return sizes


async def moved_keys(conn: AsyncConnection, shard: int) -> list[str]:
    """
    Return a shard's keys that have left a primary, or have arrived there.
    """
    key = moving_keys.c.key
    are_its = shard_in(conn, key) == shard
    query = sa.select(key).where(are_its, moving_keys.c.is_moved)
    return [*await conn.scalars(query)]


async def mark(conn: AsyncConnection, keys: Sequence[str], *, is_moved: bool) -> None:
    """
    Note that what some keys have is being copied, or is moved.
    """
    are_theirs = moving_keys.c.key.in_(keys)
    await conn.execute(sa.delete(moving_keys).where(are_theirs))
    rows = [{"key": key, "is_moved": is_moved} for key in keys]
    if rows:
        await conn.execute(sa.insert(moving_keys), rows)


async def forget_keys(transaction: Transaction, shard: int) -> None:
    """
    Forget which keys have moved, unless the shard is being moved here.
    """
    conn = transaction.conn
    query = sa.select(shards.c.state).where(shards.c.shard == shard)
    state = await conn.scalar(query.with_for_update(read=True))
    if state in {ShardState.HERE, ShardState.ABSENT}:
        are_its = shard_in(conn, moving_keys.c.key) == shard
        await conn.execute(sa.delete(moving_keys).where(are_its))
        await conn.execute(sa.delete(changes).where(changes.c.shard == shard))


async def unfinished_moves(
    primaries: Mapping[str, Primary],
) -> list[tuple[int, str]]:
    """
    Return the shards that are being moved, each with a sentence about its move.
    """
    places: dict[int, dict[ShardState, str]] = {}
    noted: dict[int, int] = {}
    for name, primary in primaries.items():
        claims, _ = await primary.transactions.read(read_claims)
        for shard, claim in claims.items():
            places.setdefault(shard, {})[claim.state] = name
        if claims:
            noted |= await primary.transactions.read(_note_counts)
    return [
        (shard, _sentence(shard, names, noted.get(shard, 0)))
        for shard, names in sorted(places.items())
        if names.keys() - {ShardState.HERE, ShardState.ABSENT}
    ]


def _sentence(shard: int, names: Mapping[ShardState, str], noted: int) -> str:
    sources, targets = (
        [names[state] for state in states if state in names]
        for states in (
            (ShardState.LEAVING, ShardState.CLOSING, ShardState.HERE),
            (ShardState.ARRIVING, ShardState.HERE),
        )
    )
    target = targets[0] if targets else "NAME"
    return (
        f"it is on its way from {sources[0]!r} to {target!r}, and {noted} rows are"
        " noted that were written since they were copied; if nothing moves it any more,"
        f" finish it (asm shards move --shard {shard} --to {target}) or abandon it (asm"
        f" shards abandon --shard {shard})"
    )


async def _note_counts(conn: AsyncConnection) -> dict[int, int]:
    query = sa.select(changes.c.shard, sa.func.count().label("number")).group_by(
        changes.c.shard
    )
    return {row.shard: row.number for row in await conn.execute(query)}
