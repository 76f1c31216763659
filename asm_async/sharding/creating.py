"""
Which primary has which shard, and how that begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ConflictError
from asm_async.sharding.claims import HOLDING, Claim, claims_in
from asm_async.sharding.fences import read_claims, set_claims
from asm_async.sharding.shards import SHARD_COUNT, ShardState
from asm_async.sharding.together import check_names
from asm_async.sql.core import tables
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.transactions.transaction import Transaction, Transactions


async def list_shards(
    engines: Mapping[str, AsyncEngine], *, timeout: float = 30.0
) -> Mapping[str, Mapping[int, Claim]]:
    """
    Return what each primary says of each shard; nothing if it has none.

    Args:
        engines: The primaries by name.

        timeout: As for :class:`~asm_async.sql.SQLPorts`.
    """
    check_names(engines)
    check_timeout(timeout)
    return {
        name: (await Transactions(engine, timeout).read(read_claims))[0]
        for name, engine in engines.items()
    }


async def create_shards(
    engines: Mapping[str, AsyncEngine], *, timeout: float = 30.0
) -> None:
    """
    Divide the logical shards evenly among primaries, or add primaries that have none.

    Begin with empty databases: what is stored already cannot be found by its shard.
    Import it into :class:`~asm_async.sharding.ShardedPorts` instead. A primary that is
    added later is given no shard; move some to it.

    Args:
        engines: All primaries by name, made by :func:`shard_engine`.

        timeout: As for :class:`~asm_async.sql.SQLPorts`.

    Raises:
        ConflictError: If a primary that has no shards has sessions.
    """
    found = await list_shards(engines, timeout=timeout)
    names = list(engines)
    held = {shard for shard in range(SHARD_COUNT) if claims_in(found, shard, *HOLDING)}
    if not held:
        # All are told what will be theirs before the first has it, so that what is
        # broken off can be told from a primary that was added later.
        found = {
            name: {
                shard: Claim(
                    ShardState.ARRIVING
                    if names[shard * len(names) // SHARD_COUNT] == name
                    else ShardState.ABSENT
                )
                for shard in range(SHARD_COUNT)
            }
            for name in names
        }
        for name in names:
            await Transactions(engines[name], timeout).read(partial(_check_empty, name))
        for name in names:
            await _begin(engines[name], name, found[name], timeout)
    for name in names:
        claims = {
            shard: Claim(ShardState.ABSENT if shard in held else ShardState.HERE)
            for shard, claim in found[name].items()
            if (claim.state, claim.mover) == (ShardState.ARRIVING, None)
        }
        if not found[name]:
            claims = dict.fromkeys(range(SHARD_COUNT), Claim(ShardState.ABSENT))
        if claims:
            await _begin(engines[name], name, claims, timeout)


async def _begin(
    engine: AsyncEngine, name: str, claims: Mapping[int, Claim], timeout: float
) -> None:
    async def begin(transaction: Transaction) -> None:
        await _check_empty(name, transaction.conn)
        await set_claims(transaction.conn, claims)

    await Transactions(engine, timeout).write(begin, is_repeatable=True)


async def _check_empty(name: str, conn: AsyncConnection) -> None:
    gates = tables.session_sequences
    if await conn.scalar(sa.select(gates.c.session_id).limit(1)) is not None:
        raise ConflictError(
            f"primaries: {name!r} has sessions already: begin with an empty database,"
            " and import them"
        )
