"""
A process that adds items in threes, pops, and says what is done, until it is killed.

Called with a database's URL and its name.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async import open_ports
from asm_async.integrations.openai_agents import AsmSession


async def work(url: str, name: str) -> None:
    """
    Add three items and pop one of them, again and again.
    """
    async with open_ports(url) as ports:
        session = AsmSession("chat", ports)
        number = 0
        while True:
            ids = [f"{name}-{number}-{place}" for place in range(3)]
            await session.add_items([{"id": each} for each in ids])
            print("added", number, flush=True)  # noqa: T201 - the test reads it
            popped = await session.pop_item()
            print("popped", popped and popped.get("id"), flush=True)  # noqa: T201
            number += 1


asyncio.run(work(*sys.argv[1:]))
