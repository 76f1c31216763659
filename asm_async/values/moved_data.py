"""
Members of an event's data that are kept as contents of artifacts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values.artifact import Artifact, Checksum
from asm_async.values.event import Event
from asm_async.values.fields import Count
from asm_async.values.json_values import encode_json
from asm_async.values.value import Value

MOVED = "asm.moved"
"""
The only key of the object that stands in the place of such a member.
"""

UNREADABLE = "asm.unreadable"
"""
The only key of the object that is shown where its content cannot be read.
"""

_KEYS = "asm.data/"
_DIGITS = 32


@attrs.frozen(kw_only=True)
class MovedMember(Value):
    """
    Where a member's JSON is: what stands in its place.
    """

    sha256: Checksum
    """
    The SHA-256 digest of its JSON, in ASCII, as 64 hexadecimal digits.
    """

    bytes: Count
    """
    How many bytes its JSON has.
    """

    def to_json(self) -> dict[str, Any]:
        """
        Return the object that stands in the member's place.
        """
        return {MOVED: {"sha256": self.sha256, "bytes": self.bytes}}


def looks_moved(member: object) -> bool:
    """
    Return whether an object looks like one that stands in the place of a member.
    """
    return isinstance(member, dict) and [*cast("dict[str, Any]", member)] == [MOVED]


def moved_members(event: Event) -> Iterator[tuple[str, MovedMember]]:
    """
    Yield the members of a stored event that are elsewhere, each with its name.
    """
    for name, member in event.data.items():
        if looks_moved(member):
            # What is no reference was stored as it is, before any was moved.
            with suppress(TypeError, ValidationError):
                yield name, MovedMember(**cast("dict[str, Any]", member)[MOVED])


def artifacts_of(event: Event) -> Iterator[Artifact]:
    """
    Yield the artifacts of the members of a stored event that are elsewhere.

    They are the same whenever they are made: so a call can be repeated.
    """
    prefix = data_keys(event.session_id)
    for name, moved in moved_members(event):
        place = encode_json([event.id, name, moved.sha256]).encode("ascii")
        key = prefix + sha256(place).hexdigest()[:_DIGITS]
        yield Artifact(
            id=key,
            key=key,
            session_id=event.session_id,
            run_id=event.run_id,
            content_type="application/json",
            byte_size=moved.bytes,
            checksum_sha256=moved.sha256,
            storage_backend="large_data",
            storage_ref=moved.sha256,
            metadata={"event_id": event.id, "member": name},
            created_at=event.timestamp,
        )


def data_keys(session_id: str) -> str:
    """
    Return what the keys of such artifacts of a session begin with.
    """
    return f"{_KEYS}{sha256(session_id.encode()).hexdigest()[:_DIGITS]}/"


def is_of_data(artifact: Artifact) -> bool:
    """
    Return whether an artifact is a member of an event.
    """
    return artifact.key.startswith(_KEYS)
