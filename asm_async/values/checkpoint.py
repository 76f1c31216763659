"""
An opaque place in the feed of all sessions.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TypeAlias
from zlib import crc32

from asm_async.errors import InvalidCheckpointError

Place: TypeAlias = tuple[int, int]
"""
Where an event stands: the transaction that wrote it (0 where transactions commit one
after the other), and its position.
"""

START: Place = (0, 0)
"""
The place before the first event.
"""

_VERSION = 1
_PLAIN = re.compile(r"(\d{1,9})\.([a-z]{1,16})\.(\d{1,20})\.(\d{1,20})\.([0-9a-f]{8})")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_MAX_CHARACTERS = 128
_MAX_POSITION = 2**63 - 1


def checkpoint_text(place: Place, database: str) -> str:
    """
    Write *place* as text that may be stored, or sent through a URL.

    Args:
        place: Where somebody has come to.

        database: The kind of database, since each counts in its own way.
    """
    return _packed(_sealed(f"{_VERSION}.{database}.{place[0]}.{place[1]}"))


def place_of(checkpoint: object, name: str, database: str) -> Place:
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
    return place


def _sealed(text: str) -> bytes:
    plain = text.encode()
    return b"%b.%08x" % (plain, crc32(plain))


def _unpacked(checkpoint: object) -> str:
    """
    Return the text inside; the empty text if there is none.
    """
    if not isinstance(checkpoint, str) or len(checkpoint) > _MAX_CHARACTERS:
        return ""
    padding = "=" * (-len(checkpoint) % 4)
    try:
        packed = (checkpoint + padding).encode("ascii")
        plain = base64.b64decode(packed, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    # Decoding lets bits at the end pass that stand for nothing.
    return plain if _packed(plain.encode()) == checkpoint else ""


def _packed(plain: bytes) -> str:
    # Followers are given one with each event, and base64's own function takes longer.
    packed = binascii.b2a_base64(plain, newline=False)
    return packed.translate(_URL_SAFE, b"=").decode()
