"""
Which primary has which shard: how that begins, and how a shard is moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ConflictError
from asm_async.sharding.fences import Claim, read_claims, set_claims
from asm_async.sharding.shards import SHARD_COUNT, ShardState
from asm_async.sharding.together import check_names
from asm_async.sql.transactions.transaction import Transaction, Transactions


async def create_shards(
    engines: Mapping[str, AsyncEngine], *, timeout: float = 30.0
) -> None:
    """
    Divide the logical shards evenly among primaries that have none yet.

    What was stored before stays where it is only if it belongs there: begin with empty
    databases, and import into :class:`~asm_async.sharding.ShardedPorts`.

    A primary that is added later is given no shards; move some to it.
    """
    check_names(engines)
    found: dict[str, dict[int, Claim]] = {}
    for name, engine in engines.items():
        found[name] = await Transactions(engine, timeout).read(read_claims)
    has_shards = any(found.values())
    for index, (name, engine) in enumerate(engines.items()):
        if found[name]:
            continue
        claims = {
            shard: Claim(
                ShardState.HERE
                if not has_shards and shard * len(engines) // SHARD_COUNT == index
                else ShardState.ABSENT,
                0,
            )
            for shard in range(SHARD_COUNT)
        }

        async def write(transaction: Transaction, claims=claims) -> None:
            await set_claims(transaction.conn, claims)

        await Transactions(engine, timeout).write(write, is_repeatable=True)
