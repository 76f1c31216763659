"""
JSON that a parser has just made, which nobody else holds: encoded without a copy of it.
"""

from __future__ import annotations

from asm_async.errors import ValidationError
from asm_async.values.json_values import (
    MAX_DEPTH,
    EncodedJSON,
    encode_json,
    is_too_deep,
    may_hold_long_integers,
    normalise_json,
)


def encode_parsed(value: object, path: str) -> EncodedJSON:
    """
    Encode a value as it is stored.

    That it is not nested too deeply is left to :func:`check_depth`, since each takes
    long where *value* is large.

    Raises:
        ValidationError: If a number is too large for a float, or an integer has more
            than 4,300 digits.
    """
    try:
        text = encode_json(value)
    except ValueError:
        # A walk that finds it would take a hundred times as long.
        raise ValidationError(
            f"{path}: a number in it is too large for a float, such as 1e999"
        ) from None
    if may_hold_long_integers(text):
        text = encode_json(normalise_json(value, path))
    return EncodedJSON(text)


def check_depth(text: EncodedJSON, path: str) -> None:
    """
    Refuse JSON that is nested too deeply.

    Raises:
        ValidationError: If it is, naming its *path*.
    """
    if is_too_deep(text):
        raise ValidationError(f"{path}: nested more than {MAX_DEPTH} levels deep")
