"""
A process that appends to a session, whose key it may be the first to make.

Called with the database's URL, the key directory, and a number of its own; it waits for
a line on its standard input, and may be killed at any time.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async.encryption import (
    DirectoryKeyStore,
    KeyRing,
    LocalKeyProvider,
    encrypted_ports,
)
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_event
from tests.encrypted_ports import MASTER_KEY


async def main(url: str, directory: str, number: str) -> None:
    """
    Append one event to each of some sessions that are stored in plain text.
    """
    engine = create_engine(url)
    provider = LocalKeyProvider({"test": MASTER_KEY})
    keys = KeyRing(DirectoryKeyStore(directory), provider)
    async with SQLPorts(engine) as raw:
        ports = encrypted_ports(raw, keys=keys, allow_plaintext=True)
        print("ready", flush=True)  # noqa: T201 - how the test hears of it
        sys.stdin.readline()
        for session in range(20):
            await ports.store.append_event(
                make_event(
                    id=f"evt_{number}",
                    session_id=f"ses_{session}",
                    data={"content": f"from {number}"},
                )
            )
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
