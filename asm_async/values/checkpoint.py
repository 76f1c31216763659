"""
An opaque place in the feed of all sessions.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple, TypeAlias
from zlib import crc32

from asm_async.errors import InvalidCheckpointError
from asm_async.values.event import Event

Place: TypeAlias = tuple[int, int]
"""
Where an event stands: the transaction that wrote it (0 where transactions commit one
after the other), and its position.
"""

START: Place = (0, 0)
"""
The place before the first event.
"""


class Witness(NamedTuple):
    """
    The event that stood at a place: by it is seen whether the log still holds it.
    """

    session_id: str
    sequence_number: int
    mark: int
    """
    What :func:`mark_of` makes of the event's id.
    """


class Checkpoint(NamedTuple):
    """
    A place, and the event that stood there; None if nothing is known of it.
    """

    place: Place
    witness: Witness | None


MAX_CHECKPOINT_LENGTH = 1_500
"""
No checkpoint has more characters.
"""

_VERSION = 1
_PLAIN = re.compile(
    r"([0-9]{1,9})\.([a-z]{1,16})\.([0-9]{1,20})\.([0-9]{1,20})"
    # The event's number, the mark of its id, and its session, whose id may hold dots.
    r"(?:\.([0-9]{1,16})\.([0-9a-f]{8})\.([^\0]{1,255}))?"
    r"\.([0-9a-f]{8})"
)
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_MAX_POSITION = 2**63 - 1


def mark_of(event_id: str) -> int:
    """
    Return 32 bits of an event's id, to tell it from another event in its place.
    """
    return crc32(event_id.encode())


def witness_of(event: Event) -> Witness:
    """
    Return *event* as the witness of its place.
    """
    return Witness(event.session_id, event.sequence_number, mark_of(event.id))


def checkpoint_text(place: Place, database: str, witness: Witness | None = None) -> str:
    """
    Write *place* as text that may be stored, or sent through a URL.

    Args:
        place: Where somebody has come to.

        database: The kind of database, since each counts in its own way.

        witness: The event that stands there.
    """
    transaction, position = place
    if witness is None:
        return _packed(_sealed(f"{_VERSION}.{database}.{transaction}.{position}"))
    session_id, number, mark = witness
    return _packed(
        _sealed(
            f"{_VERSION}.{database}.{transaction}.{position}"
            f".{number}.{mark:08x}.{session_id}"
        )
    )


def checkpoint_of(checkpoint: object, name: str, database: str) -> Checkpoint:
    """
    Read what :func:`checkpoint_text` wrote.

    Raises:
        InvalidCheckpointError: If it is no checkpoint, was changed, was written by
            another version or is of another kind of database; the message starts with
            *name*.
    """
    match = _PLAIN.fullmatch(_unpacked(checkpoint))
    if match is None or _sealed(match[0].rpartition(".")[0]) != match[0].encode():
        raise InvalidCheckpointError(f"{name}: this is no checkpoint")
    if int(match[1]) != _VERSION:
        raise InvalidCheckpointError(
            f"{name}: it is of version {int(match[1])}, and this code reads {_VERSION}"
        )
    if match[2] != database:
        raise InvalidCheckpointError(
            f"{name}: it is of a feed in {match[2]}, and this one is in {database}"
        )
    place = int(match[3]), int(match[4])
    if max(place) > _MAX_POSITION:
        raise InvalidCheckpointError(f"{name}: this is no checkpoint")
    if match[5] is None:
        return Checkpoint(place, None)
    return Checkpoint(place, Witness(match[7], int(match[5]), int(match[6], 16)))


def without_witness(checkpoint: str) -> str:
    """
    Return *checkpoint* without the event that stands there, which others may not know.
    """
    version, kind, transaction, position, *_ = _unpacked(checkpoint).split(".")
    return _packed(_sealed(f"{version}.{kind}.{transaction}.{position}"))


def _sealed(text: str) -> bytes:
    plain = text.encode()
    return b"%b.%08x" % (plain, crc32(plain))


def _unpacked(checkpoint: object) -> str:
    """
    Return the text inside; the empty text if there is none.
    """
    if not isinstance(checkpoint, str) or len(checkpoint) > MAX_CHECKPOINT_LENGTH:
        return ""
    padding = "=" * (-len(checkpoint) % 4)
    try:
        packed = (checkpoint + padding).encode("ascii")
        plain = base64.b64decode(packed, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    # Decoding lets bits at the end pass that stand for nothing.
    return plain if _packed(plain.encode()) == checkpoint else ""


def _packed(plain: bytes) -> str:
    # Followers are given one with each event, and base64's own function takes longer.
    packed = binascii.b2a_base64(plain, newline=False)
    return packed.translate(_URL_SAFE, b"=").decode()
