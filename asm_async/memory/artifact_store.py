"""
The artifact store that keeps everything in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import attrs

from asm_async.errors import ArtifactDamagedError, ArtifactNotFoundError
from asm_async.fronts.artifact_store import ArtifactStoreFront, ChecksumFilter
from asm_async.values.artifact import ArtifactContent

_PIECE_BYTES = 1 << 20


@attrs.frozen
class _Kept:
    content: bytes
    put_at: datetime

    def is_older(self, time: datetime | None) -> bool:
        return time is None or self.put_at < time


class InMemoryArtifactStore(ArtifactStoreFront):
    """
    An :class:`~asm_async.ports.artifact_store.ArtifactStore` without a directory.

    Whole contents are in memory, and nothing survives the process. No method awaits
    anything but the pieces that it is given.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    async def remove_leftovers(self) -> int:
        """
        Find nothing: a put that fails leaves nothing behind.
        """
        return 0

    async def _put(self, content: bytes | AsyncGenerator[bytes]) -> ArtifactContent:
        if not isinstance(content, bytes):
            async with aclosing(content) as pieces:
                content = b"".join([piece async for piece in pieces])
        checksum = hashlib.sha256(content).hexdigest()
        self._kept[checksum] = _Kept(content, datetime.now(UTC))
        return ArtifactContent(
            byte_size=len(content),
            checksum_sha256=checksum,
            storage_backend="memory",
            storage_ref=checksum,
        )

    async def _stream(self, checksum: str) -> AsyncGenerator[bytes]:
        if checksum not in self._kept:
            raise ArtifactNotFoundError(checksum)
        content = self._kept[checksum].content
        if hashlib.sha256(content).hexdigest() != checksum:
            raise ArtifactDamagedError(
                f"content {checksum} is damaged: its bytes have another checksum"
            )
        for start in range(0, len(content), _PIECE_BYTES):
            yield content[start : start + _PIECE_BYTES]

    async def _delete(self, checksum: str, last_put_before: datetime | None) -> bool:
        kept = self._kept.get(checksum)
        if kept is None or not kept.is_older(last_put_before):
            return False
        del self._kept[checksum]
        return True

    async def _list_checksums(self, wanted: ChecksumFilter) -> list[str]:
        found = [
            checksum
            for checksum, kept in self._kept.items()
            if kept.is_older(wanted.last_put_before)
            if wanted.after is None or checksum > wanted.after
        ]
        return sorted(found)[: wanted.limit]
