"""
A process that writes the snapshots of a conversation until it is killed.

Called with a database's URL and the session's id, which is the seed, too. Every fourth
snapshot goes back to an earlier message and on from there.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

from asm_async.integrations.strands import AsmStorage
from tests.frameworks.strands.agents import LATEST, message, snapshot


async def write(url: str, name: str, chance: random.Random) -> None:
    """
    Write one snapshot after the other.
    """
    storage = AsmStorage.from_url(url, migrate=False)
    said: list[dict[str, Any]] = []
    for number in range(1_000):
        if number % 4 == 3:
            said = said[: chance.randrange(1, len(said))]
        said.append(message(f"{chance.random()}"))
        await storage.write(LATEST.format(name), snapshot(said))
        sys.stdout.write(".")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], random.Random(sys.argv[2])))
