"""
The artifact store that keeps everything in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from datetime import UTC, datetime

import attrs

from asm_async.errors import ArtifactDamagedError, ArtifactNotFoundError
from asm_async.fronts.artifact_contents import ChecksumFilter, check_content
from asm_async.values import fields
from asm_async.values.artifact import ArtifactContent, sha256_checksum

_PIECE_BYTES = 1 << 20


@attrs.frozen
class _Kept:
    content: bytes
    put_at: datetime


class InMemoryArtifactStore:
    """
    An :class:`~asm_async.ports.artifact_store.ArtifactStore` without a directory.

    Whole contents are in memory, and nothing survives the process. No method awaits
    anything but the pieces that it is given.
    """

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    async def put(self, content: bytes | AsyncIterable[bytes]) -> ArtifactContent:
        """
        Keep a content.
        """
        given = check_content(content)
        if not isinstance(given, bytes):
            async with aclosing(given) as pieces:
                given = b"".join([piece async for piece in pieces])
        checksum = hashlib.sha256(given).hexdigest()
        self._kept[checksum] = _Kept(given, datetime.now(UTC))
        return ArtifactContent(
            byte_size=len(given),
            checksum_sha256=checksum,
            storage_backend="memory",
            storage_ref=checksum,
        )

    async def get(self, checksum_sha256: str) -> bytes:
        """
        Return a content, verified.
        """
        checksum = sha256_checksum(checksum_sha256, "checksum_sha256")
        if checksum not in self._kept:
            raise ArtifactNotFoundError(checksum)
        content = self._kept[checksum].content
        if hashlib.sha256(content).hexdigest() != checksum:
            raise ArtifactDamagedError(f"content {checksum} is not what was put")
        return content

    async def stream(self, checksum_sha256: str) -> AsyncGenerator[bytes]:
        """
        Yield a content piece by piece.
        """
        content = await self.get(checksum_sha256)
        for start in range(0, len(content), _PIECE_BYTES):
            yield content[start : start + _PIECE_BYTES]

    async def delete(
        self, checksum_sha256: str, *, last_put_before: datetime | None = None
    ) -> bool:
        """
        Remove a content, whole or damaged; none of this checksum is no error.
        """
        checksum = sha256_checksum(checksum_sha256, "checksum_sha256")
        before = fields.optional_utc_time(last_put_before, "last_put_before")
        kept = self._kept.get(checksum)
        if kept is None or not (before is None or kept.put_at < before):
            return False
        del self._kept[checksum]
        return True

    async def list_checksums(
        self,
        *,
        last_put_before: datetime | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> list[str]:
        """
        List the checksums of the contents there are, in ascending order.
        """
        wanted = ChecksumFilter(
            last_put_before=last_put_before, after=after, limit=limit
        )
        before = wanted.last_put_before
        return sorted(
            checksum
            for checksum, kept in self._kept.items()
            if before is None or kept.put_at < before
            if wanted.after is None or checksum > wanted.after
        )[: wanted.limit]

    async def remove_leftovers(self) -> int:
        """
        Find nothing: a put that fails leaves nothing behind.
        """
        return 0
