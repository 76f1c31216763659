"""
The moves of shards as they are begun, finished and abandoned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ConflictError, ValidationError
from asm_async.sharding.creating import list_shards
from asm_async.sharding.fences import Claim
from asm_async.sharding.moving import Move, MoveReport
from asm_async.sharding.router import HOLDING
from asm_async.sharding.shards import SHARD_COUNT, ShardState
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values import fields


async def move_shard(
    engines: Mapping[str, AsyncEngine],
    shard: int,
    target: str,
    *,
    timeout: float = 30.0,
    progress: Callable[[MoveReport], object] | None = None,
) -> MoveReport:
    """
    Move one logical shard to another primary, while others read and write.

    It can be cancelled, and killed, at any time: move it to the same target again to
    finish. Until then what had arrived is there, and what had not is where it was.

    Args:
        engines: All primaries by name, for a role that owns the tables, made by
            :func:`shard_engine` with *is_mover*.

        shard: Which one, from 0 to 255.

        target: The name of the primary to move it to.

        timeout: As for :class:`~asm_async.sql.SQLPorts`.

        progress: Called after each batch; not awaited.

    Raises:
        ValidationError: If there is no such shard or primary.

        ConflictError: If the shard is being moved elsewhere.
    """
    if target not in engines:
        raise ValidationError(
            f"target: expected one of {', '.join(engines)}, got {target!r}"
        )
    claims, arriving = await _claims_of(engines, shard, timeout)
    if arriving not in ([], [target]):
        raise ConflictError(
            f"shard {shard} is being moved to {arriving[0]!r}: finish that first"
        )
    # After the target has opened, a source that is still closing has nothing left.
    held = [name for name in claims if name != target and claims[name].state in HOLDING]
    if not held:
        return MoveReport()
    move = Move(
        shard=shard,
        epoch=claims[held[0]].epoch,
        source=Transactions(engines[held[0]], timeout),
        target=Transactions(engines[target], timeout),
        progress=progress,
    )
    return await move.run(is_arrived=claims[target].state is ShardState.HERE)


async def abandon_move(
    engines: Mapping[str, AsyncEngine], shard: int, *, timeout: float = 30.0
) -> None:
    """
    Undo an interrupted move, so that the shard stays on its old primary.

    It can be called again if it was interrupted itself. A process that still moves the
    shard ends with ``ConflictError``.

    Args:
        engines: As for :func:`move_shard`.

        shard: Which one, from 0 to 255.

        timeout: As there.

    Raises:
        ValidationError: If there is no such shard.

        ConflictError: If it is not being moved, or a part of it has arrived already:
            then finish the move, and move it back.
    """
    claims, arriving = await _claims_of(engines, shard, timeout)
    held = [name for name in claims if claims[name].state in HOLDING]
    if not arriving:
        raise ConflictError(f"shard {shard} is not being moved")
    move = Move(
        shard=shard,
        epoch=claims[held[0]].epoch,
        source=Transactions(engines[held[0]], timeout),
        target=Transactions(engines[arriving[0]], timeout),
    )
    await move.abandon()


async def _claims_of(
    engines: Mapping[str, AsyncEngine], shard: int, timeout: float
) -> tuple[dict[str, Claim], list[str]]:
    """
    Return what each primary says of a shard, and to which one it is being moved.
    """
    if fields.count(shard, "shard") >= SHARD_COUNT:
        raise ValidationError(f"shard: expected 0 to {SHARD_COUNT - 1}, got {shard}")
    claims = {
        name: said.get(shard, Claim(ShardState.ABSENT))
        for name, said in (await list_shards(engines, timeout=timeout)).items()
    }
    arriving = [name for name in claims if claims[name].state is ShardState.ARRIVING]
    return claims, arriving
