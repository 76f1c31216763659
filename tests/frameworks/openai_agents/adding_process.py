"""
A process that adds items in threes, pops, and says what is done, until it is killed.

Called with a database's URL and its name.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async import open_ports
from tests.frameworks.openai_agents.sdk_items import UntypedSession


def say(word: str, what: str) -> None:
    """
    Tell the test what is done.
    """
    sys.stdout.write(f"{word} {what}\n")
    sys.stdout.flush()


async def work(url: str, name: str) -> None:
    """
    Add three items and pop one of them, again and again.
    """
    async with open_ports(url) as ports:
        session = UntypedSession("chat", ports)
        number = 0
        while True:
            ids = [f"{name}-{number}-{place}" for place in range(3)]
            await session.add_items([{"id": each} for each in ids])
            say("added", str(number))
            popped = await session.pop_item()
            say("popped", str(popped and popped["id"]))
            number += 1


asyncio.run(work(*sys.argv[1:]))
