"""
What primaries say of their shards, and which of them has a shard by that.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from asm_async.errors import ValidationError
from asm_async.sharding.shards import ShardState

HOLDING = (ShardState.HERE, ShardState.LEAVING, ShardState.CLOSING)
"""
What a primary says of a shard of which it may have something.
"""


@attrs.frozen
class Claim:
    """
    What a primary says of one shard.
    """

    state: ShardState
    epoch: int = 0
    """
    How often the shard was moved before it came to the primary.
    """

    mover: str | None = attrs.field(default=None, eq=False)
    """
    Who may copy it to the primary: of several, the one that came last.
    """


def claims_in(
    said: Mapping[str, Mapping[int, Claim]], shard: int, *states: ShardState
) -> dict[str, Claim]:
    """
    Return the primaries that say so of a shard, the one it was moved to last first.
    """
    found = [
        (name, claims[shard])
        for name, claims in said.items()
        if shard in claims and claims[shard].state in states
    ]
    return dict(sorted(found, key=lambda each: each[1].epoch, reverse=True))


def holders_of(said: Mapping[str, Mapping[int, Claim]], shard: int) -> dict[str, Claim]:
    """
    Return the primary that has a shard; after it, one that it has just been moved from.

    Raises:
        ValidationError: If it is on none of these primaries, or two have it.
    """
    found = claims_in(said, shard, *HOLDING)
    if not found:
        raise ValidationError(
            f"primaries: shard {shard} is on none of {', '.join(said)}: name all"
            " primaries, or create the shards"
        )
    if len({claim.epoch for claim in found.values()}) < len(found):
        one, other, *_ = found
        raise ValidationError(
            f"primaries: {one!r} and {other!r} both have shard {shard}: are they one"
            " database, or is one a restored copy?"
        )
    return found
