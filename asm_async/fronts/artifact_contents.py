"""
What every artifact store checks before it does anything else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from datetime import datetime
from typing import ClassVar, cast

import attrs

from asm_async.values import fields
from asm_async.values.artifact import sha256_checksum

__all__ = ["ChecksumFilter", "check_content"]


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


def _optional_checksum(value: object, name: str) -> str | None:
    return None if value is None else sha256_checksum(value, name)


@attrs.frozen(kw_only=True)
class ChecksumFilter:
    """
    Which contents to list: what ``list_checksums`` takes.
    """

    last_put_before: datetime | None = None
    after: str | None = None
    limit: int = 1000

    _RULES: ClassVar[fields.FieldRules] = {
        "last_put_before": fields.optional_utc_time,
        "after": _optional_checksum,
        "limit": fields.count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
