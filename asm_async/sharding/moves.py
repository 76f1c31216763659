"""
The moves of shards as they are begun, finished and abandoned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ConflictError, ValidationError
from asm_async.sharding.claims import Claim, claims_in, holders_of
from asm_async.sharding.creating import list_shards
from asm_async.sharding.fences import check_engines
from asm_async.sharding.moving import Move, MoveReport
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
        ValidationError: If there is no such shard or primary, or the shard is on none
            of the *engines*, or on two.

        ConflictError: If the shard is being moved elsewhere, the target is not
            prepared, or a session there has a run of the same id, or an artifact of
            the same id or key.
    """
    sides, said = await _asked(engines, shard, timeout)
    if target not in engines:
        raise ValidationError(
            f"target: expected one of {', '.join(engines)}, got {target!r}"
        )
    if shard not in said[target]:
        raise ConflictError(
            f"target: primary {target!r} has no shards: prepare it with create_shards"
        )
    source, *left = holders_of(said, shard)
    moves = {
        name: Move(
            shard=shard,
            epoch=said[name][shard].epoch,
            source=sides[name],
            target=sides[target],
            others={n: sides[n] for n in sides if n not in {name, target}},
            progress=progress,
        )
        for name in (source, *left)
    }
    for name in left:
        # All it had has gone on already.
        await moves[name].finish()
    if source != target:
        return await moves[source].run()
    if arriving := [*claims_in(said, shard, ShardState.ARRIVING)]:
        raise ConflictError(
            f"shard {shard} is being moved to {arriving[0]!r}: finish that first, or"
            " abandon it"
        )
    return MoveReport()


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
    sides, said = await _asked(engines, shard, timeout)
    source, *_ = holders_of(said, shard)
    arriving = claims_in(said, shard, ShardState.ARRIVING)
    if said[source][shard].state is ShardState.HERE and not arriving:
        raise ConflictError(f"shard {shard} is not being moved")
    # What was broken off at its first step has no target yet.
    target = next(iter([*arriving, *(name for name in sides if name != source)]))
    move = Move(
        shard=shard,
        epoch=said[source][shard].epoch,
        source=sides[source],
        target=sides[target],
    )
    await move.abandon()


async def _asked(
    engines: Mapping[str, AsyncEngine], shard: int, timeout: float
) -> tuple[dict[str, Transactions], Mapping[str, Mapping[int, Claim]]]:
    """
    Return the primaries as a mover uses them, and what each says of its shards.
    """
    if fields.count(shard, "shard") >= SHARD_COUNT:
        raise ValidationError(f"shard: expected 0 to {SHARD_COUNT - 1}, got {shard}")
    said = await list_shards(engines, timeout=timeout)
    check_engines(engines, is_mover=True)
    sides = {name: Transactions(engine, timeout) for name, engine in engines.items()}
    return sides, said
