"""
Members of a source's objects, which may have any form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast


def object_at(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """
    Return the object that stands under *name*; an empty one if there is none.
    """
    return as_object(members.get(name))


def as_object(value: object) -> Mapping[str, Any]:
    """
    Return *value* if it is an object; an empty one otherwise.
    """
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_at(members: Mapping[str, Any], name: str) -> list[Any]:
    """
    Return the list that stands under *name*; an empty one if there is none.
    """
    return as_list(members.get(name))


def as_list(value: object) -> list[Any]:
    """
    Return *value* if it is a list; an empty one otherwise.
    """
    return [*cast("Sequence[Any]", value)] if isinstance(value, list) else []


def text_of(members: Mapping[str, Any], name: str) -> str:
    """
    Return the text that stands under *name*; an empty one if there is none.
    """
    value = members.get(name)
    return value if isinstance(value, str) else ""
