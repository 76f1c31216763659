"""
Long bodies of requests, whose JSON is made text again as soon as it was checked.
"""

from __future__ import annotations

from collections.abc import Generator

from asm_async.errors import ValidationError
from asm_async.values.json_outline import outline_of
from asm_async.values.json_values import JSONObject
from asm_async.values.undecoded import UndecodedReader

LONG_BODY = 1 << 16
"""
From how many bytes on a body is read in steps.
"""

_VALUES = frozenset({"session", "create_session"})
_LISTS = frozenset({"events", "runs", "replacement"})


def body_in_steps(text: str) -> Generator[None, None, JSONObject]:
    """
    Decode a body, but for its JSON values: these become the text that is stored.

    They are needed to be stored and answered; nothing else looks into them. A step
    takes some milliseconds, whatever the body holds.

    Returns:
        The body, when the steps are over.

    Raises:
        ValidationError: If a JSON value is none that can be stored, naming its place.

        ValueError: If the body is not a JSON object.
    """
    outline = yield from outline_of(text, "body")
    whole = outline.whole()
    if not outline.is_object(whole):
        raise ValidationError("body: expected a JSON object, got a list")
    reader = UndecodedReader(outline, _VALUES, _LISTS)
    return (yield from reader.object(whole, ""))
