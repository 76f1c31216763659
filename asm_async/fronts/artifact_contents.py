"""
What every artifact store checks before it does anything else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import cast

import attrs

from asm_async.values import fields
from asm_async.values.artifact import Checksum
from asm_async.values.fields import Count, UTCTime
from asm_async.values.value import Value


def check_content(content: object) -> bytes | AsyncGenerator[bytes]:
    """
    Accept bytes, or an async iterable, whose members are checked as they come.
    """
    if isinstance(content, AsyncIterable):
        return _checked_pieces(cast("AsyncIterable[object]", content))
    return _bytes(content, "content")


async def _checked_pieces(pieces: AsyncIterable[object]) -> AsyncGenerator[bytes]:
    index = 0
    async for piece in pieces:
        yield _bytes(piece, f"content[{index}]")
        index += 1


def _bytes(value: object, name: str) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise fields.unexpected(name, "bytes", value)
    # Of bytes this is no copy; of the others it is one that nobody can change.
    return bytes(cast("bytes", value))


@attrs.frozen(kw_only=True)
class ChecksumFilter(Value):
    """
    Which contents to list: what ``list_checksums`` takes.
    """

    last_put_before: UTCTime | None = None
    after: Checksum | None = None
    limit: Count = 1000
