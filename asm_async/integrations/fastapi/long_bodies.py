"""
Long bodies of requests, whose JSON is made text again as soon as it was checked.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values.json_outline import Outline, Span, outline_of
from asm_async.values.json_pieces import encode_in_pieces
from asm_async.values.json_values import JSONObject, without_collection
from asm_async.values.parsed_json import check_depth, encode_parsed

LONG_BODY = 1 << 16
"""
From how many bytes on a body is read in steps.
"""

_NESTED = (dict, list)
_JSON_MEMBERS = frozenset(
    {
        "context",
        "data",
        "error",
        "input",
        "metadata",
        "output",
        "provider_metadata",
    }
)
_VALUES = ("session", "create_session")
_LISTS = ("events", "runs", "replacement")


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
    return (yield from _Reader(outline).object(whole, ""))


@attrs.frozen
class _Reader:
    """
    Reads one body.

    Whatever is read has a place, such as ``events[0].``, if it is a value that is to be
    stored, or holds some; else None.
    """

    outline: Outline

    def object(
        self, span: Span, place: str | None
    ) -> Generator[None, None, JSONObject]:
        value: JSONObject = {}
        for start, end in self.outline.pieces(span):
            if self.outline.is_long(start, end):
                name, member = self.outline.long_member(span, start, end)
                if isinstance(member, Span):
                    member = yield from self._member(member, name, place)
                value[name] = member
            else:
                with without_collection():
                    members = self.outline.members(span, start, end)
                    if place is not None:
                        _encode_members(members, place)
                    value |= members
            yield
        return value

    def _array(self, span: Span, place: str | None) -> Generator[None, None, Any]:
        values: list[Any] = []
        for start, end in self.outline.pieces(span):
            if self.outline.is_long(start, end):
                _, value = self.outline.long_member(span, start, end)
                if isinstance(value, Span):
                    inside = place and f"{place}[{len(values)}]."
                    value = yield from self._container(value, inside)
                values.append(value)
            else:
                with without_collection():
                    members = self.outline.members(span, start, end)
                    if place is not None:
                        _encode_listed(members, place, len(values))
                    values += members
            yield
        return values

    def _container(self, span: Span, place: str | None) -> Generator[None, None, Any]:
        if self.outline.is_object(span):
            return (yield from self.object(span, place))
        return (yield from self._array(span, None))

    def _member(
        self, span: Span, name: str, place: str | None
    ) -> Generator[None, None, Any]:
        if place is None:
            return (yield from self._container(span, None))
        if name in _JSON_MEMBERS:
            return (yield from encode_in_pieces(self.outline, span, f"{place}{name}"))
        if name in _VALUES:
            return (yield from self._container(span, f"{name}."))
        if name in _LISTS and not self.outline.is_object(span):
            return (yield from self._array(span, name))
        return (yield from self._container(span, None))


def _encode_members(value: JSONObject, place: str) -> None:
    """
    Put the text in which it is stored in place of each JSON value of a body's value.
    """
    for name, member in value.items():
        if type(member) not in _NESTED:
            continue
        if name in _JSON_MEMBERS:
            text = encode_parsed(member, f"{place}{name}")
            check_depth(text, f"{place}{name}")
            value[name] = text
        elif name in _VALUES and isinstance(member, dict):
            _encode_members(cast("JSONObject", member), f"{name}.")
        elif name in _LISTS and isinstance(member, list):
            _encode_listed(cast("list[object]", member), name, 0)


def _encode_listed(values: list[Any], name: str, first: int) -> None:
    """
    Do the same for each value of a list, whose *first* has this index there.
    """
    for index, value in enumerate(values, first):
        if isinstance(value, dict):
            _encode_members(cast("JSONObject", value), f"{name}[{index}].")
