"""
Lines of files that are read as bytes, piece by piece.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, NoReturn, cast

import attrs

from asm_async.importers.records import NotJSONError, NotUnderstoodError, Place


@attrs.frozen(eq=False)
class Line:
    """
    One line of a file, without its end.
    """

    place: Place
    data: bytes
    is_too_long: bool = False
    """
    Whether it is longer than the bound; then there is no data.
    """

    def json_object(self) -> dict[str, Any]:
        """
        Return the object that the line holds.

        Raises:
            NotUnderstoodError: If it holds none that can be stored.
        """
        return json_object(self.data)


def json_object(text: bytes | str) -> dict[str, Any]:
    """
    Return the JSON object that *text* is; what cannot be stored an event refuses.

    Raises:
        NotUnderstoodError: If it is none.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotJSONError(f"it is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotUnderstoodError("it is JSON, but no object")
    return cast("dict[str, Any]", value)


def members_of(value: object) -> dict[str, Any]:
    """
    Return *value* if it is a JSON object, else an empty one.
    """
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


class LineSplitter:
    """
    Makes lines of the pieces of one file; empty ones are counted and left out.

    Args:
        source: How the file is shown.

        max_line_bytes: The longest line to keep in memory.
    """

    def __init__(self, source: str, max_line_bytes: int) -> None:
        self._source = source
        self._max = max_line_bytes
        self._number = 0
        self._parts: list[bytes] = []
        self._held = 0
        self._is_too_long = False

    def take(self, piece: bytes) -> Generator[Line]:
        """
        Yield the lines that *piece* ends.
        """
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._hold(piece[start:end])
            yield from self._ended(1)
            start = end + 1
        self._hold(piece[start:])

    def end(self) -> Generator[Line]:
        """
        Yield what stands behind the last end of a line.
        """
        if self._held:
            yield from self._ended(0)

    @property
    def has_rest(self) -> bool:
        """
        Whether something stands behind the last end of a line.
        """
        return self._held > 0

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._max:
            self._is_too_long = True
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _ended(self, end_bytes: int) -> Generator[Line]:
        self._number += 1
        data, is_too_long = b"".join(self._parts).strip(), self._is_too_long
        place = Place(self._source, self._number, self._held + end_bytes)
        self._parts.clear()
        self._held, self._is_too_long = 0, False
        if data or is_too_long:
            yield Line(place, data, is_too_long)
