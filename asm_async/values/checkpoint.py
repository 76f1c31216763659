"""
An opaque place in the feed of all sessions.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import lru_cache
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
_FORM = re.compile(
    r"([A-Za-z0-9_-]+)\.([0-9]{1,20})\.([0-9]{1,20})\."
    # The number of the session's event there, and the mark of its id.
    r"(?:([0-9]{1,16})\.([0-9]{1,10})\.)?"
    r"([0-9]{1,10})"
)
# What is encoded in its first part.
_BEGINNING = re.compile(r"([0-9]{1,9})\.([a-z]{1,16})\.(.{0,255})", re.DOTALL)
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
    session_id, number, mark = witness or ("", None, None)
    text = f"{_beginning(_VERSION, database, session_id)}.{transaction}.{position}."
    return _summed(text if witness is None else f"{text}{number}.{mark}.")


def checkpoint_writer(database: str) -> Callable[[Event, Place], str]:
    """
    Return what writes the place of an event, as followers are given it with each.

    It is the same as :func:`checkpoint_text` writes, in half the time.
    """

    @lru_cache(maxsize=1_024)
    def beginning(session_id: str) -> str:
        return _beginning(_VERSION, database, session_id)

    def write(event: Event, place: Place) -> str:
        transaction, position = place
        mark = crc32(event.id.encode())
        text = (
            f"{beginning(event.session_id)}.{transaction}.{position}"
            f".{event.sequence_number}.{mark}."
        )
        return f"{text}{crc32(text.encode())}"

    return write


def checkpoint_of(checkpoint: object, name: str, database: str) -> Checkpoint:
    """
    Read what :func:`checkpoint_text` wrote.

    Raises:
        InvalidCheckpointError: If it is no checkpoint, was changed, was written by
            another version or is of another kind of database; the message starts with
            *name*.
    """
    match = _matched(checkpoint)
    beginning = match and _BEGINNING.fullmatch(_unpacked(match[1]))
    if not match or not beginning or bool(beginning[3]) != bool(match[4]):
        raise InvalidCheckpointError(f"{name}: this is not a checkpoint")
    version, kind, session_id = beginning.groups()
    if int(version) != _VERSION:
        raise InvalidCheckpointError(
            f"{name}: it has version {int(version)}, and this code reads version"
            f" {_VERSION}"
        )
    if kind != database:
        raise InvalidCheckpointError(
            f"{name}: it belongs to a feed in {kind}, and this feed is in {database}"
        )
    place = int(match[2]), int(match[3])
    if max(place) > _MAX_POSITION:
        raise InvalidCheckpointError(f"{name}: this is not a checkpoint")
    if not session_id:
        return Checkpoint(place, None)
    return Checkpoint(place, Witness(session_id, int(match[4]), int(match[5])))


def without_witness(checkpoint: str) -> str:
    """
    Return *checkpoint* without the event that stands there, which others may not know.
    """
    match = _matched(checkpoint)
    if match is None:
        raise InvalidCheckpointError("this is not a checkpoint")
    database = _unpacked(match[1]).split(".")[1]
    return checkpoint_text((int(match[2]), int(match[3])), database)


@lru_cache(maxsize=1_024)
def _beginning(version: int, database: str, session_id: str) -> str:
    """
    Return what the checkpoints of a session begin with.
    """
    plain = f"{version}.{database}.{session_id}".encode()
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def _summed(text: str) -> str:
    return f"{text}{crc32(text.encode())}"


def _matched(checkpoint: object) -> re.Match[str] | None:
    """
    Return the parts of what may be a checkpoint; None if its sum is wrong.
    """
    if not isinstance(checkpoint, str) or len(checkpoint) > MAX_CHECKPOINT_LENGTH:
        return None
    match = _FORM.fullmatch(checkpoint)
    if match is None or _summed(checkpoint[: match.start(6)]) != checkpoint:
        return None
    return match


def _unpacked(packed: str) -> str:
    """
    Return the text inside; the empty text if there is none.
    """
    try:
        plain = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        text = plain.decode()
    except ValueError:
        return ""
    # Decoding lets bits at the end pass that stand for nothing.
    is_whole = base64.urlsafe_b64encode(plain).rstrip(b"=").decode() == packed
    return text if is_whole else ""
