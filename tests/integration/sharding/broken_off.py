"""
The shard that is moved, and how a mover is broken off.
"""

from __future__ import annotations

from asm_async.sharding import shard_of

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
