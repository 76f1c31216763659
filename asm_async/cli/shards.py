"""
``asm shards``: which primary has which part of the sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias

import attrs
from cyclopts import Parameter

from asm_async.cli.database import on_primaries
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.screen import Screen
from asm_async.cli.streams import print_output

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from asm_async.sharding import Claim

# SQLAlchemy is imported by what runs, so that the help of a command need not wait.

Primaries: TypeAlias = Annotated[tuple[str, ...], Parameter(name="--primary")]
"""
All primaries, each as ``NAME=URL``.
"""


def create(*, primaries: Primaries, options: Options = DEFAULTS) -> None:
    """
    Divide 256 shards evenly among primaries that are empty and have their schema.

    Where some have shards already, the others get none: move some to them. With --json
    it prints an object with a member for each primary: its shards.

    Args:
        primaries: NAME=URL; once for each primary.
    """
    from asm_async.sharding import create_shards  # noqa: PLC0415 - said above

    async def work(engines: Mapping[str, AsyncEngine]) -> None:
        await create_shards(engines, timeout=options.timeout)

    on_primaries(options, primaries, work)
    list_all(primaries=primaries, options=options)


def list_all(*, primaries: Primaries, options: Options = DEFAULTS) -> None:
    """
    List which shards each primary has, and those that are being moved.

    With --json it prints an object with a member for each primary: an object with a
    list of shards for each state.

    Args:
        primaries: NAME=URL; once for each primary.
    """
    from asm_async.sharding import list_shards  # noqa: PLC0415 - said above

    async def work(
        engines: Mapping[str, AsyncEngine],
    ) -> Mapping[str, Mapping[int, Claim]]:
        return await list_shards(engines, timeout=options.timeout)

    found: dict[str, dict[str, list[int]]] = {}
    for name, claims in on_primaries(options, primaries, work).items():
        found[name] = {}
        for shard, claim in sorted(claims.items()):
            if claim.state != "absent":
                found[name].setdefault(claim.state, []).append(shard)
    if options.as_json:
        Screen().json(found)
        return
    for name, states in found.items():
        for state, shards in states.items():
            print_output(f"{name}  {state}  {_ranges(shards)}\n")


def move(
    *, shard: int, to: str, primaries: Primaries, options: Options = DEFAULTS
) -> None:
    """
    Move a shard to another primary, while its sessions are read and written.

    Interrupted, it is finished by the same command. With --json it prints an object
    with the members "key_count", "event_count", "longest_pause" and "rows_under_lock".

    Args:
        shard: Which one, from 0 to 255.

        to: The name of the primary to move it to.

        primaries: NAME=URL; once for each primary.
    """
    from asm_async.sharding import MoveReport, move_shard  # noqa: PLC0415 - said above

    async def work(engines: Mapping[str, AsyncEngine]) -> MoveReport:
        return await move_shard(engines, shard, to, timeout=options.timeout)

    report = on_primaries(options, primaries, work)
    if options.as_json:
        Screen().json(attrs.asdict(report))
    else:
        print_output(
            f"moved {report.key_count} keys with {report.event_count} events; the"
            f" writers of a key waited for {report.longest_pause:.1f} s at most\n"
        )


def abandon(*, shard: int, primaries: Primaries, options: Options = DEFAULTS) -> None:
    """
    Undo an interrupted move, so that the shard stays on its old primary.

    Where a part of the shard has arrived already, finish the move instead.

    Args:
        shard: Which one, from 0 to 255.

        primaries: NAME=URL; once for each primary.
    """
    from asm_async.sharding import abandon_move  # noqa: PLC0415 - said above

    async def work(engines: Mapping[str, AsyncEngine]) -> None:
        await abandon_move(engines, shard, timeout=options.timeout)

    on_primaries(options, primaries, work)
    list_all(primaries=primaries, options=options)


def _ranges(numbers: list[int]) -> str:
    """
    Write ascending numbers as ranges.
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][-1] == number - 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, each)) for each in ranges)
