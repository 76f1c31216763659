"""
A process that appends batches to a transcript until it is killed, and says which.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async import open_ports
from asm_async.integrations.claude_agent import AsmSessionStore
from tests.frameworks.claude_agent.entries import KEY, answered, said, text, titled


async def append_batches(url: str, writer: str, count: int) -> None:
    """
    Append batches of three entries, and print the number of each that is stored.

    Every second one is appended twice, as when its outcome was not known.
    """
    async with open_ports(url) as ports:
        store = AsmSessionStore(ports)
        for number in range(count):
            name = f"{writer}.{number}"
            answer = answered(f"{name}.1", f"m.{name}", text(name))
            batch = [titled(f"{name}.0", int(writer[0])), answer]
            batch.append(said(f"{name}.2", name))
            for _ in range(1 + number % 2):
                await store.append(KEY, batch)
            print(number, flush=True)  # noqa: T201 - by this the test knows


if __name__ == "__main__":
    asyncio.run(append_batches(sys.argv[1], sys.argv[2], int(sys.argv[3])))
