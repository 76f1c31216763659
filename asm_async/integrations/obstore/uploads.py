"""
How contents get into an object store.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any

import obstore
from obstore.store import ObjectStore

from asm_async.errors import StorageUnavailableError
from asm_async.files.threads import in_thread
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.integrations.obstore.requests import Feed, listed, request

BLOCK_BYTES = 8 << 20
"""
How long a part of an upload is; shorter contents are put in one request.

S3 takes 10,000 parts: so many of these are more than the 5 GiB that it copies.
"""

# Of the blocks that are on their way at once; each is held in memory.
_MAX_PARTS_AT_ONCE = 4

# After a timeout: a call ends within its timeout and a second.
_MAX_SECONDS_TO_CLEAN_UP = 0.75


class Uploads:
    """
    Puts of one object store.
    """

    def __init__(self, store: ObjectStore, timeout: float) -> None:
        self._store = store
        self._timeout = timeout

    async def put(self, path: str, content: bytes) -> None:
        """
        Put a content of known length under a name; a long one in parts.
        """
        if len(content) <= BLOCK_BYTES:
            async with request(self._timeout):
                await obstore.put_async(self._store, path, content, use_multipart=False)
            return
        view = memoryview(content)

        async def rest() -> AsyncGenerator[bytes]:
            for start in range(BLOCK_BYTES, len(content), BLOCK_BYTES):
                yield bytes(view[start : start + BLOCK_BYTES])

        await self.put_blocks(path, bytes(view[:BLOCK_BYTES]), rest())

    async def put_blocks(
        self, path: str, first: bytes, rest: AsyncGenerator[bytes]
    ) -> tuple[str, int]:
        """
        Put blocks as one object, in parts; return its checksum and size.

        If it fails or is cancelled, the parts are deleted before that goes on.
        """
        feed, digest, size = Feed(), hashlib.sha256(), 0
        upload: asyncio.Future[Any] = asyncio.ensure_future(
            obstore.put_async(
                self._store,
                path,
                feed,
                use_multipart=True,
                chunk_size=BLOCK_BYTES,
                max_concurrency=_MAX_PARTS_AT_ONCE,
            )
        )
        try:
            block: bytes | None = first
            while block is not None and not upload.done():
                # A block takes some 10 ms: too long for the loop's other tasks.
                await in_thread(digest.update, block)
                size += len(block)
                await feed.give(block, upload, self._timeout)
                block = await anext(rest, None)
            await feed.give(None, upload, self._timeout)
            async with request(self._timeout):
                await asyncio.shield(upload)
        except BaseException as error:
            feed.fail()
            await self._wait_for_cleaning(upload, error)
            # It may have been whole already when its caller was cancelled.
            if not upload.cancelled() and upload.done() and not upload.exception():
                await self.discard(path, error)
            raise
        return digest.hexdigest(), size

    async def discard(self, path: str, error: BaseException | None = None) -> None:
        """
        Delete an upload that has served, or did not because of *error*.

        What the store does not delete now is a leftover, for :meth:`remove`.
        """
        deletion = asyncio.ensure_future(self._delete(path))
        await self._wait_for_cleaning(deletion, error)

    async def remove(self, prefix: str, time: datetime) -> int:
        """
        Delete what lies below a name and was written before *time*; return how many.
        """
        removed = 0
        async with aclosing(
            listed(self._store, prefix, timeout=self._timeout)
        ) as found:
            async for meta in found:
                if meta["last_modified"] < time:
                    await self._delete(meta["path"])
                    removed += 1
        return removed

    async def _wait_for_cleaning(
        self, cleaning: asyncio.Future[Any], error: BaseException | None
    ) -> None:
        """
        Wait for what cleans up, though the caller be cancelled, and then end it.
        """
        is_late = isinstance(error, StorageUnavailableError)
        seconds = _MAX_SECONDS_TO_CLEAN_UP if is_late else self._timeout
        deadline = asyncio.get_running_loop().time() + seconds
        await wait_uninterruptible(cleaning, deadline)
        # Nobody else asks what went wrong with it.
        cleaning.add_done_callback(_forget)
        cleaning.cancel()

    async def _delete(self, path: str) -> None:
        async with request(self._timeout):
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, path)


async def blocks_of(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """
    Yield a content in blocks of ``BLOCK_BYTES``, the last of them shorter.
    """
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        while len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting[:BLOCK_BYTES])
            del waiting[:BLOCK_BYTES]
    if waiting:
        yield bytes(waiting)


def _forget(upload: asyncio.Future[Any]) -> None:
    if not upload.cancelled():
        upload.exception()
