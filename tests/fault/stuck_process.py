"""
A process that ends while a thread of its is stuck in the disk, and never comes back.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async.errors import StorageUnavailableError
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.testing.factories import make_session
from tests.fault.stuck_disk import StuckDisk


async def _write(url: str) -> None:
    engine = create_engine(url)
    disk = StuckDisk(engine)
    store = SQLSessionStore(engine, timeout=0.5)
    await store.open()
    disk.hang()
    try:
        await store.save_session(make_session())
    except StorageUnavailableError:
        await store.aclose()
        await engine.dispose()
    else:
        sys.exit("it was written")


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1]))
