"""
A process that keeps an index of texts up to date, until it is killed.

Called with the URL of a database; it writes a line once it has begun.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async.sql import SQLTextIndex, create_engine


async def follow(url: str) -> None:
    """
    Follow, and say so.
    """
    index = SQLTextIndex(create_engine(url))
    async with index.following():
        print("following", flush=True)  # noqa: T201 - for the test that waits for it
        await asyncio.Event().wait()


asyncio.run(follow(sys.argv[1]))
