"""
Members of an event's data that are kept as contents of artifacts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, TypeAlias, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values.artifact import Artifact, Checksum
from asm_async.values.event import Event
from asm_async.values.fields import Count
from asm_async.values.json_outline import PIECE_LENGTH, Span, outline_of
from asm_async.values.json_pieces import at_once
from asm_async.values.json_values import (
    EncodedJSON,
    decode_json,
    encode_json,
    without_collection,
)
from asm_async.values.value import Value

MOVED = "asm.moved"
"""
The only key of the object that stands in the place of such a member.
"""

UNREADABLE = "asm.unreadable"
"""
The only key of the object that is shown where its content cannot be read.
"""

Parts: TypeAlias = list[str | tuple[str, Any]]
"""
The members of an object: as its text has them, or by their names if they are chosen.
"""

_MARK = f'"{MOVED}":'
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
    if type(member) is EncodedJSON:
        return member.startswith(f"{{{_MARK}") and looks_moved(decode_json(member))
    return isinstance(member, dict) and [*cast("dict[str, Any]", member)] == [MOVED]


def reference_of(member: object) -> MovedMember | None:
    """
    Return where the member is in whose place this one stands; None if it is none.
    """
    if looks_moved(member):
        # What is no reference was stored as it is, before any was moved.
        with suppress(TypeError, ValidationError):
            return MovedMember(**cast("dict[str, Any]", member)[MOVED])
    return None


def may_hold_references(text: str) -> bool:
    """
    Return whether members of a JSON text may be references, in any depth.
    """
    return _MARK in text


def chosen_members(
    text: EncodedJSON,
    is_chosen: Callable[[object], bool],
    *,
    may_be_chosen: Callable[[str], bool],
    piece_length: int = PIECE_LENGTH,
) -> Generator[None, None, Parts]:
    """
    Choose members of an object that is stored as it is, in steps.

    Args:
        text: The object.

        is_chosen: Chooses a member, which is its text if it is long.

        may_be_chosen: Looks at the text of one or some, since most are not decoded.

        piece_length: How many characters are looked at in one step.

    Returns:
        The object's parts in their order, when the steps are over.
    """
    if not may_be_chosen(text):
        return [text[1:-1]]
    outline = yield from outline_of(text, "data", piece_length=piece_length)
    parts: Parts = []
    whole = outline.whole()
    for start, end in outline.pieces(whole):
        piece = text[start:end]
        if not may_be_chosen(piece):
            parts.append(piece)
        elif outline.is_long(start, end):
            name, member = outline.long_member(whole, start, end)
            if isinstance(member, Span):
                member = EncodedJSON(text[member.start : member.end])
            parts.append((name, member) if is_chosen(member) else piece)
        else:
            with without_collection():
                parts += _chosen_of(outline.members(whole, start, end), is_chosen)
        yield
    return parts


def _chosen_of(
    members: Mapping[str, Any], is_chosen: Callable[[object], bool]
) -> Iterator[str | tuple[str, Any]]:
    for name, member in members.items():
        yield (name, member) if is_chosen(member) else _member_text(name, member)


def joined(parts: Parts, replaced: Mapping[str, Any]) -> EncodedJSON:
    """
    Return an object of parts, with other members in place of the chosen ones.
    """
    texts = [
        part if isinstance(part, str) else _member_text(part[0], replaced[part[0]])
        for part in parts
    ]
    return EncodedJSON(f"{{{','.join(texts)}}}")


def _member_text(name: str, member: object) -> str:
    return f"{encode_json(name)}:{encode_json(member)}"


def moved_members(event: Event) -> Iterator[tuple[str, MovedMember]]:
    """
    Yield the members of a stored event that are elsewhere, each with its name.
    """
    data: Any = event.data
    if type(data) is EncodedJSON:
        choosing = chosen_members(data, looks_moved, may_be_chosen=may_hold_references)
        members = [part for part in at_once(choosing) if isinstance(part, tuple)]
    else:
        members = [*data.items()]
    for name, member in members:
        if (moved := reference_of(member)) is not None:
            yield name, moved


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
