"""
What every adapter of the artifact ports checks before it does anything else.

Arguments are returned in normal form or refused with ``ValidationError``, the same from
every adapter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from datetime import datetime
from functools import partial
from typing import ClassVar, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.artifact_registry import MAX_CHECKSUMS
from asm_async.values import fields
from asm_async.values.artifact import Artifact, sha256_checksum

__all__ = [
    "ArtifactFilter",
    "ChecksumFilter",
    "check_artifact",
    "check_checksums",
    "check_content",
]


def check_artifact(artifact: object) -> Artifact:
    """
    Accept an artifact that may be registered, and copy it.
    """
    artifact = fields.instance(artifact, "artifact", Artifact)
    if artifact.deleted_at is not None:
        raise ValidationError(
            f"artifact: {artifact.id!r} carries deleted_at, which only the registry"
            " gives"
        )
    try:
        return attrs.evolve(artifact)
    except ValidationError as error:
        raise ValidationError(f"artifact.{error}") from None


def check_checksums(checksums: object) -> frozenset[str]:
    """
    Accept checksums to ask about.
    """
    found = frozenset(fields.tuple_of(checksums, "checksums", sha256_checksum))
    if len(found) > MAX_CHECKSUMS:
        raise ValidationError(
            f"checksums: {len(found)} are too many; {MAX_CHECKSUMS} may be asked about"
        )
    return found


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
class ArtifactFilter:
    """
    Which of a session's artifacts to list: what ``list_by_session`` takes.
    """

    include_deleted: bool = False
    limit: int | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "include_deleted": partial(fields.instance, kind=bool),
        "limit": fields.optional_count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


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
