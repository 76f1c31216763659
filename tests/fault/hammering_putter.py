"""
A process that puts, reads and deletes contents that other processes use too.

Called with a directory, a seed and a number of rounds; after each round it says so.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from asm_async.errors import ArtifactNotFoundError
from asm_async.files import LocalArtifactStore

CONTENTS = [bytes([number]) * size for number, size in enumerate((0, 10, 70_000))]


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """
    Yield a content in two pieces.
    """
    yield content[: len(content) // 2]
    yield content[len(content) // 2 :]


async def main(directory: str, seed: str, rounds: str) -> None:
    """
    Do one thing after the other; a content that is there is whole.
    """
    store, chance = LocalArtifactStore(directory), random.Random(seed)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    for number in range(int(rounds)):
        content = chance.choice(CONTENTS)
        put = await store.put(pieces(content) if chance.random() < 0.5 else content)
        checksum = put.checksum_sha256
        assert not await store.delete(checksum, last_put_before=long_ago)
        try:
            assert await store.get(checksum) == content
        except ArtifactNotFoundError:
            # Another one has deleted it.
            assert "keep" not in seed
        if "keep" not in seed and chance.random() < 0.5:
            await store.delete(checksum)
        await store.remove_leftovers()
        print(number, flush=True)  # noqa: T201 - the test listens


asyncio.run(main(*sys.argv[1:]))
