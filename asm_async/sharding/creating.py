"""
Which primary has which shard, and how that begins.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ConflictError
from asm_async.sharding.fences import Claim, read_claims, set_claims
from asm_async.sharding.shards import SHARD_COUNT, ShardState
from asm_async.sharding.together import check_names
from asm_async.sql.core import tables
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
    is_begun = any(found.values())
    names = list(engines)
    for name in names:
        claims = {
            shard: Claim(
                ShardState.HERE
                if not is_begun and names[shard * len(names) // SHARD_COUNT] == name
                else ShardState.ABSENT
            )
            for shard in range(SHARD_COUNT)
        }

        async def begin(
            transaction: Transaction,
            name: str = name,
            claims: Mapping[int, Claim] = claims,
        ) -> None:
            gates = tables.session_sequences
            query = sa.select(gates.c.session_id).limit(1)
            if await transaction.conn.scalar(query) is not None:
                raise ConflictError(
                    f"primaries: {name!r} has sessions already: begin with an empty"
                    " database, and import them"
                )
            await set_claims(transaction.conn, claims)

        if not found[name]:
            writes = Transactions(engines[name], timeout)
            await writes.write(begin, is_repeatable=True)
