"""
Values in a long JSON text, read with the JSON in them as the text that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from typing import Any, TypeAlias, cast

import attrs

from asm_async.values.json_outline import Outline, Span
from asm_async.values.json_pieces import encode_in_pieces
from asm_async.values.json_values import (
    EncodedJSON,
    JSONObject,
    without_collection,
)
from asm_async.values.parsed_json import check_depth, encode_parsed

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

TextOf: TypeAlias = Callable[[Outline, Span, str], Generator[None, None, EncodedJSON]]


@attrs.frozen
class UndecodedReader:
    """
    Reads one text.

    Whatever is read has a place, such as ``events[0].``, if it is a value that is to be
    stored, or holds some; else None.
    """

    outline: Outline
    """
    That of the text.
    """

    values: Collection[str]
    """
    The names of members that are values to be stored.
    """

    lists: Collection[str] = ()
    """
    The names of members that are lists of such.
    """

    text_of: TextOf = encode_in_pieces
    """
    Makes the text of a long JSON value.
    """

    def object(
        self, span: Span, place: str | None
    ) -> Generator[None, None, JSONObject]:
        """
        Read an object, in steps of some milliseconds.

        Args:
            span: Where it is in the text.

            place: What its members' places begin with.

        Returns:
            The object, when the steps are over.
        """
        value: JSONObject = {}
        for start, end in self.outline.pieces(span):
            if self.outline.is_long(start, end):
                name, member = self.outline.long_member(span, start, end)
                if isinstance(member, Span):
                    member = yield from self._member(member, name, place)
                self.outline.add(value, {name: member})
            else:
                with without_collection():
                    members = self.outline.members(span, start, end)
                    if place is not None:
                        self._encode_members(members, place)
                    self.outline.add(value, members)
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
                        self._encode_listed(members, place, len(values))
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
            return (yield from self.text_of(self.outline, span, f"{place}{name}"))
        if name in self.values:
            return (yield from self._container(span, f"{name}."))
        if name in self.lists and not self.outline.is_object(span):
            return (yield from self._array(span, name))
        return (yield from self._container(span, None))

    def _encode_members(self, value: JSONObject, place: str) -> None:
        """
        Put the text in which it is stored in place of each JSON value.
        """
        for name, member in value.items():
            if type(member) not in _NESTED:
                continue
            if name in _JSON_MEMBERS:
                text = encode_parsed(member, f"{place}{name}")
                check_depth(text, f"{place}{name}")
                value[name] = text
            elif name in self.values and isinstance(member, dict):
                self._encode_members(cast("JSONObject", member), f"{name}.")
            elif name in self.lists and isinstance(member, list):
                self._encode_listed(cast("list[object]", member), name, 0)

    def _encode_listed(self, values: list[Any], name: str, first: int) -> None:
        """
        Do the same for each value of a list, whose *first* has this index there.
        """
        for index, value in enumerate(values, first):
            if isinstance(value, dict):
                self._encode_members(cast("JSONObject", value), f"{name}[{index}].")
