"""
The shard that is moved, and how a mover is broken off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sharding import move_shard, shard_of

SHARD = shard_of("acme")

# The second of the primaries has the shard.
SOURCE, TARGET = "p1", "p0"


class BrokenOffError(Exception):
    """
    The mover is no more.
    """


def break_off(*_: object) -> None:
    """
    End the mover, in place of one of its steps.
    """
    raise BrokenOffError


async def break_off_move(
    movers: Mapping[str, AsyncEngine],
    owner: object,
    name: str,
    *,
    to: str = TARGET,
    step: Callable[..., object] = break_off,
) -> None:
    """
    Begin to move the shard, and end the mover at a step.

    Args:
        movers: The engines of the mover.

        owner: What has the step: a class of the mover, or a module.

        name: What the step is called there.

        to: The target.

        step: What is done in its place.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, step)
        with pytest.raises(BrokenOffError):
            await move_shard(movers, SHARD, to)
