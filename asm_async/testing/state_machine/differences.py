"""
What sets two results apart, in few words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import attrs

__all__ = ["difference"]


def difference(tested: Any, known: Any, path: str = "") -> str:
    """
    Name the first place where *tested* is not what is *known* to be right.
    """
    kind: Any = known.__class__
    if attrs.has(kind) and tested.__class__ is kind:
        for field in attrs.fields(kind):
            one, other = getattr(tested, field.name), getattr(known, field.name)
            if one != other:
                return difference(one, other, f"{path}.{field.name}")
    if _is_sequence(known) and _is_sequence(tested) and len(tested) == len(known):
        for place, (one, other) in enumerate(zip(tested, known, strict=True)):
            if one != other:
                return difference(one, other, f"{path}[{place}]")
    return f"result{path} is {tested!r}, not {known!r}"


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(cast("Sequence[Any]", value))
