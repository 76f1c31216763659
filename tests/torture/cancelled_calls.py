"""
Every method of every port is struck at any of its awaits and exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

from tests.torture.arena import Blow, open_arena
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.port_calls import CALLS

__all__ = ["CAMPAIGN"]

_MIN_BLOWS_PER_CALL = 2


async def run(setting: Setting) -> Tally:
    """
    Strike calls at points that chance chooses, and judge what they leave.

    Of the faults on SQLite one in four befalls a database in memory, and one in twenty
    the adapter in memory.
    """
    struck = acknowledged = refused = unknown = 0
    faults = setting.each_fault()
    async with migrated_database(setting) as url:
        for place, count in _places(setting, url):
            async with open_arena(place, setting.directory / "contents") as arena:
                names = sorted(CALLS)
                setting.random.shuffle(names)
                chosen = names[: max(1, count // _MIN_BLOWS_PER_CALL)]
                blows = await arena.blows(chosen)
                shuffled = _shuffled(blows, setting.random)
                for _, blow in zip(islice(faults, count), shuffled, strict=False):
                    await arena.strike(blow)
                    struck += 1
            acknowledged += arena.acknowledged
            refused += arena.refused
            unknown += arena.unknown
    return Tally(
        faults=struck, acknowledged=acknowledged, refused=refused, unknown=unknown
    )


def _places(setting: Setting, url: str) -> list[tuple[str | None, int]]:
    """
    Return the databases, and how many faults there shall be on each.
    """
    if setting.database == "postgresql":
        return [(url, setting.faults)]
    in_memory, without = setting.faults // 4, setting.faults // 20
    own = setting.faults - in_memory - without
    return [(url, own), ("sqlite+aiosqlite://", in_memory), (None, without)]


def _shuffled(blows: list[Blow], random: Random) -> Iterator[Blow]:
    """
    Yield all of them in random order, again and again.

    There may be none: the adapter in memory hardly ever waits.
    """
    while blows:
        random.shuffle(blows)
        yield from blows


CAMPAIGN = Campaign(
    name="cancelled_calls",
    title="Calls cancelled, timed out, refused, cut, or left by their event loop",
    run=run,
    faults=6_000,
)
