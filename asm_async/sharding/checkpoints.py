"""
The checkpoint of several feeds: one of each primary's feed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from zlib import crc32

from asm_async.errors import InvalidCheckpointError
from asm_async.values.checkpoint import MAX_CHECKPOINT_LENGTH, without_witness

NAME: re.Pattern[str] = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""
What a primary may be called, since checkpoints say it.
"""

_VERSION = "shards1"


def vector_text(places: Mapping[str, str], latest: str | None = None) -> str:
    """
    Write the checkpoints of several primaries as one.

    If it would be longer than other checkpoints, all but that of the primary *latest*
    go without the event that stood there, by which lost history is noticed. Then each
    has less than a hundred characters.
    """
    text = "~".join([_VERSION, *(f"{name}~{places[name]}" for name in sorted(places))])
    summed = f"{text}~{crc32(text.encode())}"
    if len(summed) <= MAX_CHECKPOINT_LENGTH:
        return summed
    shorter = {
        name: place if name == latest else without_witness(place)
        for name, place in places.items()
    }
    return summed if shorter == places else vector_text(shorter, latest)


def vector_of(
    checkpoint: object, name: str, primaries: Mapping[str, object]
) -> dict[str, str]:
    """
    Read what :func:`vector_text` wrote.

    Returns:
        The checkpoints of the primaries, by name; none for one that was added since.

    Raises:
        InvalidCheckpointError: If it is no such checkpoint, was changed, or names a
            primary that there is not; the message starts with *name*.
    """
    if checkpoint is None:
        return {}
    text = checkpoint if isinstance(checkpoint, str) else ""
    version, *parts = text.split("~")
    summed = text.rpartition("~")[0]
    if version != _VERSION or parts[-1:] != [str(crc32(summed.encode()))]:
        raise InvalidCheckpointError(
            f"{name}: this is not a checkpoint of several primaries"
        )
    places = dict(zip(parts[:-1:2], parts[1:-1:2], strict=True))
    for unknown in places.keys() - primaries.keys():
        raise InvalidCheckpointError(
            f"{name}: it has a place in primary {unknown!r}, which is not among these:"
            f" {', '.join(primaries)}"
        )
    return places
