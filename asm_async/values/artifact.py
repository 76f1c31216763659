"""
Artifacts, which are files of an agent, and their contents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeAlias, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.fields import Count, Text, TotalCount, UTCTime
from asm_async.values.ids import new_artifact_id
from asm_async.values.json_values import JSONObject
from asm_async.values.stored_value import StoredValue
from asm_async.values.value import Value

_MAX_REFERENCE_LENGTH = 2048
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}", re.ASCII)


def sha256_checksum(value: object, name: str) -> str:
    """
    Accept a SHA-256 digest (FIPS 180-4) as 64 hexadecimal digits in small letters.
    """
    checksum = fields.text(value, name)
    if not _HEXADECIMAL.fullmatch(checksum):
        raise ValidationError(
            f"{name}: expected 64 lower-case hexadecimal digits, got {checksum!a}"
        )
    return checksum


def _reference(value: object, name: str) -> str:
    """
    Accept what :func:`fields.text` accepts, and longer: object stores have long names.
    """
    if not isinstance(value, str):
        raise fields.unexpected(name, "text", value)
    if not 1 <= len(value) <= _MAX_REFERENCE_LENGTH:
        raise ValidationError(
            f"{name}: expected 1 to {_MAX_REFERENCE_LENGTH} characters,"
            f" got {len(value)}"
        )
    length = fields.MAX_TEXT_LENGTH
    parts = (value[start : start + length] for start in range(0, len(value), length))
    return "".join(fields.text(part, name) for part in parts)


Checksum: TypeAlias = Annotated[str, sha256_checksum]
Reference: TypeAlias = Annotated[str, _reference]


@attrs.frozen(kw_only=True)
class ArtifactContent(Value):
    """
    A content of an artifact store.
    """

    byte_size: Count
    """
    How many bytes it has.
    """

    checksum_sha256: Checksum
    """
    Its SHA-256 digest as 64 hexadecimal digits: the name by which the store returns it.
    """

    storage_backend: Text
    """
    The kind of store that holds it, such as ``local``.
    """

    storage_ref: Reference
    """
    Its place in that store, for people; up to 2,048 characters.
    """


@attrs.frozen(kw_only=True, weakref_slot=False)
class Artifact(StoredValue):
    """
    A file that an agent made or was given: what is known of it, not its content.

    Text fields hold 1 to 255 characters; times are aware and given in UTC; *metadata*
    is a JSON object, copied when the value is made.
    """

    id: Text
    """
    The artifact's id, unique in its registry.
    """

    session_id: Text | None = None
    """
    The session it belongs to; None if it belongs to none.
    """

    run_id: Text | None = None
    """
    The run that made it; it need not exist.
    """

    key: Text
    """
    The application's name of it, unique in its registry, of all sessions together.
    """

    content_type: Text | None = None
    """
    The type of the content: a media type (RFC 6838), such as ``text/markdown``.
    """

    byte_size: Count
    """
    How many bytes its content has.
    """

    checksum_sha256: Checksum
    """
    The SHA-256 digest of its content, as 64 hexadecimal digits in small letters.
    """

    storage_backend: Text
    """
    The kind of store that holds the content, such as ``local``.
    """

    storage_ref: Reference
    """
    The content's place in that store, for people; up to 2,048 characters.
    """

    metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    Further data of the application about the artifact.
    """

    created_at: UTCTime
    """
    When the artifact came to be, by the clock of its maker.
    """

    deleted_at: UTCTime | None = None
    """
    When the artifact was soft-deleted; given by the registry alone.
    """

    _GIVEN_BY_STORE: ClassVar = ("deleted_at",)

    @classmethod
    def new(
        cls,
        *,
        content: ArtifactContent,
        key: str | None = None,
        id: str | None = None,  # noqa: A002 - the field's name
        session_id: str | None = None,
        run_id: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        created_at: datetime | None = None,
    ) -> Artifact:
        """
        Make an artifact of a stored *content*.

        Its id is a new one and its time the present unless given; its key is its id
        unless given.

        Raises:
            ValidationError: Naming the field that is wrong.
        """
        content = fields.instance(content, "content", ArtifactContent)
        artifact_id = new_artifact_id() if id is None else id
        return cls(
            id=artifact_id,
            key=artifact_id if key is None else key,
            session_id=session_id,
            run_id=run_id,
            content_type=content_type,
            metadata=cast("JSONObject", {} if metadata is None else metadata),
            created_at=datetime.now(UTC) if created_at is None else created_at,
            **attrs.asdict(content),
        )

    def is_repeat_of(self, stored: Artifact) -> bool:
        """
        Return whether registering this would be to register *stored* once more.
        """
        return not self.difference_to(stored)

    def difference_to(self, stored: Artifact) -> str:
        """
        Return the first field that keeps this from being *stored*, registered again.

        Under the same id all else must be the same; under another id, all but
        *created_at*. A deletion makes no difference. JSON is compared as stored.

        Returns:
            The field, with the path in its JSON; nothing if it is a repetition.
        """
        if stored.id != self.id:
            stored = attrs.evolve(stored, id=self.id, created_at=self.created_at)
        return self.differing_field(stored)


@attrs.frozen(kw_only=True)
class ArtifactStats(Value):
    """
    The artifacts of a session, added up.
    """

    artifact_count: Count
    """
    How many there are.
    """

    total_bytes: TotalCount
    """
    How many bytes their contents have together, each counted as often as it is named.
    """
