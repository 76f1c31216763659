"""
A process that stores messages of a scope until it is killed, and says which.
"""

from __future__ import annotations

import asyncio
import sys

from mcp_types import JSONRPCNotification

from asm_async import open_ports
from asm_async.integrations.mcp import AsmEventStore


async def store_messages(url: str, scope: str, writer: str, count: int) -> None:
    """
    Store so many messages, and print the id of each that is stored.
    """
    async with open_ports(url) as ports:
        store = AsmEventStore(ports, scope=scope)
        for number in range(count):
            message = JSONRPCNotification(
                jsonrpc="2.0",
                method="notifications/message",
                params={"writer": writer, "number": number},
            )
            event_id = await store.store_event("1", message)
            print(event_id, flush=True)  # noqa: T201 - by this the test knows


if __name__ == "__main__":
    asyncio.run(store_messages(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
