"""
The artifact store in a local directory.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from datetime import datetime
from pathlib import Path

from asm_async.errors import ArtifactDamagedError, ArtifactNotFoundError
from asm_async.files.content_directory import ContentDirectory, TemporaryFile
from asm_async.files.directories import check_platform
from asm_async.files.threads import in_thread
from asm_async.fronts.artifact_store import ArtifactStoreFront, ChecksumFilter
from asm_async.values import fields
from asm_async.values.artifact import ArtifactContent

_LOG = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20


class LocalArtifactStore(ArtifactStoreFront):
    """
    An :class:`~asm_async.ports.ArtifactStore` in a directory of a local file system.

    A content is written to a file in ``tmp``, synced, and renamed to its place
    ``ab/ab12...``; so a killed process leaves a temporary file at most, which the next
    store removes when it first puts. Directories and files are for their owner alone.
    Several processes may use the directory: it has one lock, which is held for a moment
    and goes with its process.

    Args:
        directory: Made, with those above it, when the first content is put.

        timeout: How long, in seconds, to wait for another process's lock before
            ``StorageBusyError`` is raised.

    Raises:
        UnsupportedOperationError: On Windows.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, timeout: float = 30.0
    ) -> None:
        check_platform("a local artifact store")
        self.directory: Path = Path(directory).absolute()
        self._contents = ContentDirectory(
            self.directory, fields.amount(timeout, "timeout")
        )
        self._is_clean = False

    async def remove_leftovers(self) -> int:
        """
        Remove the temporary files of killed processes.
        """
        return await in_thread(self._contents.remove_leftovers)

    async def _put(self, content: bytes | AsyncGenerator[bytes]) -> ArtifactContent:
        """
        Keep a content, unless it is there already and whole.

        Pieces are written as they come; not until the last is it known whether that was
        needed.
        """
        if not self._is_clean:
            await self.remove_leftovers()
            self._is_clean = True
        if isinstance(content, bytes):
            checksum = await in_thread(_checksum, content)
            if await self._renew(checksum):
                return _content(checksum, len(content))
        temporary = TemporaryFile(self._contents)
        try:
            await in_thread(temporary.open)
            async with aclosing(_blocks(content)) as blocks:
                async for block in blocks:
                    await in_thread(temporary.write, block)
            if isinstance(content, bytes) or not await self._renew(temporary.checksum):
                await in_thread(temporary.keep)
        finally:
            await in_thread(temporary.discard)
        return _content(temporary.checksum, temporary.byte_size)

    async def _stream(self, checksum: str) -> AsyncGenerator[bytes]:
        """
        Yield a content in pieces of 1 MiB; it may be deleted meanwhile.
        """
        held = b""
        with ExitStack() as closing:
            opened = await in_thread(self._contents.open, checksum, closing)
            async with aclosing(_verified(opened, checksum)) as blocks:
                async for block in blocks:
                    if held:
                        yield held
                    held = block
        if held:
            yield held

    async def _delete(self, checksum: str, last_put_before: datetime | None) -> bool:
        return await in_thread(self._contents.delete, checksum, last_put_before)

    async def _list_checksums(self, wanted: ChecksumFilter) -> list[str]:
        return await in_thread(self._contents.checksums, wanted)

    async def _renew(self, checksum: str) -> bool:
        """
        Return whether a content is there and whole; if so it is made young again.
        """
        with ExitStack() as closing:
            try:
                opened = await in_thread(self._contents.open, checksum, closing)
                async for _ in _verified(opened, checksum):
                    pass
            except ArtifactNotFoundError:
                return False
            except ArtifactDamagedError:
                _LOG.warning("a content was found damaged and is put again")
                return False
            return await in_thread(self._contents.renew, checksum, opened)


async def _verified(descriptor: int, checksum: str) -> AsyncGenerator[bytes]:
    """
    Yield the blocks of a file.

    Raises:
        ArtifactDamagedError: After the last, if this is not the digest of all.
    """
    digest = hashlib.sha256()

    def read() -> bytes:
        block = os.read(descriptor, _BLOCK_BYTES)
        digest.update(block)
        return block

    while block := await in_thread(read):
        yield block
    if digest.hexdigest() != checksum:
        raise ArtifactDamagedError(
            f"content {checksum} is damaged: its bytes have another checksum"
        )


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(checksum: str, byte_size: int) -> ArtifactContent:
    return ArtifactContent(
        byte_size=byte_size,
        checksum_sha256=checksum,
        storage_backend="local",
        storage_ref=f"{checksum[:2]}/{checksum}",
    )


async def _blocks(
    content: bytes | AsyncGenerator[bytes],
) -> AsyncGenerator[bytes | memoryview]:
    """
    Yield a content in pieces that are worth the way to a thread.
    """
    if isinstance(content, bytes):
        for start in range(0, len(content), _BLOCK_BYTES):
            yield memoryview(content)[start : start + _BLOCK_BYTES]
        return
    waiting, size = list[bytes](), 0
    async with aclosing(content) as pieces:
        async for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= _BLOCK_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    yield b"".join(waiting)
