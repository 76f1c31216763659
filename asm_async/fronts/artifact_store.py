"""
The front of an artifact store: what every call checks before anything else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from datetime import datetime
from typing import Any, cast

import attrs

from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.values import fields
from asm_async.values.artifact import ArtifactContent, Checksum, sha256_checksum
from asm_async.values.fields import Count, UTCTime
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class ChecksumFilter(Value):
    """
    Which contents to list: what ``list_checksums`` takes.
    """

    last_put_before: UTCTime | None = None
    after: Checksum | None = None
    limit: Count = 1000


class ArtifactStoreFront(ArtifactStore):
    """
    An artifact store in front of a backend, which implements the abstract methods.

    A backend is given bytes, or a generator of pieces that it closes.
    """

    async def put(self, content: bytes | AsyncIterable[bytes]) -> ArtifactContent:
        given: object = content
        if isinstance(given, AsyncIterable):
            return await self._put(_pieces(cast("AsyncIterable[object]", given)))
        return await self._put(_bytes(given, "content"))

    async def get(self, checksum_sha256: str) -> bytes:
        async with aclosing(self.stream(checksum_sha256)) as pieces:
            return b"".join([piece async for piece in pieces])

    def stream(self, checksum_sha256: str) -> AsyncGenerator[bytes]:
        return self._stream(sha256_checksum(checksum_sha256, "checksum_sha256"))

    async def delete(
        self, checksum_sha256: str, *, last_put_before: datetime | None = None
    ) -> bool:
        return await self._delete(
            sha256_checksum(checksum_sha256, "checksum_sha256"),
            fields.optional(last_put_before, "last_put_before", fields.utc_time),
        )

    @takes_arguments_of(ArtifactStore.list_checksums)
    async def list_checksums(self, **filters: Any) -> list[str]:
        return await self._list_checksums(ChecksumFilter(**filters))

    @abstractmethod
    async def _put(self, content: bytes | AsyncGenerator[bytes]) -> ArtifactContent: ...

    @abstractmethod
    def _stream(self, checksum: str) -> AsyncGenerator[bytes]: ...

    @abstractmethod
    async def _delete(
        self, checksum: str, last_put_before: datetime | None
    ) -> bool: ...

    @abstractmethod
    async def _list_checksums(self, wanted: ChecksumFilter) -> list[str]: ...


async def _pieces(pieces: AsyncIterable[object]) -> AsyncGenerator[bytes]:
    index = 0
    async for piece in pieces:
        yield _bytes(piece, f"content[{index}]")
        index += 1


def _bytes(value: object, name: str) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise fields.unexpected(name, "bytes", value)
    # Of bytes this is no copy; of the others it is one that nobody can change.
    return bytes(cast("bytes", value))
