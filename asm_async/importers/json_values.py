"""
The values of a JSON file, one after the other, however long the file is.

An export may be one array of a gigabyte in one line. Its members are read one at a
time: in memory are the member that is read, and what was read ahead of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any, TextIO

import attrs

from asm_async.ports.history_transfer import MAX_LINE_BYTES

_BLOCK = 1 << 20
_FILLING = re.compile(r"[ \t\r\n,\ufeff]*")
_WRAPPED = re.compile(r'\{\s*"conversations"\s*:\s*\[')
_NOT_WITHIN = re.compile(r"[^,\]\n]+|.", re.DOTALL)
_STRUCTURE = re.compile(r'["\[\]{}]')
_END_OF_STRING = re.compile(r'"|\\(?:.|\Z)', re.DOTALL)
_BEGINNING_OF_TOKEN = re.compile(r"[\w\\.+-]*\s*\Z")
# A cut through a token is no further from the end of what was read than this, unless
# the token is a string, of which the decoder names the beginning.
_LONGEST_TOKEN = 64

CUT_OFF = "the file is cut off"
"""
The error of what is not there whole at the end of a file.
"""

_BEHIND_ARRAY = (
    "it follows the end of the array; a file whose lines are arrays needs a name that"
    " ends in .jsonl"
)

# Control characters within strings are accepted.
_decode = json.JSONDecoder(strict=False).raw_decode


@attrs.frozen
class JSONPlace:
    """
    A value of a file, or the place of one that cannot be read.
    """

    path: str
    """
    Where it is within its document: ``$``, or ``$[3]``.
    """

    number: int
    """
    Its position in its array, from 1; its line where the file is no array.
    """

    value: Any = None
    """
    The value.
    """

    size: int = 0
    """
    How many characters it takes.
    """

    error: str | None = None
    """
    Why it cannot be read; None of a value.
    """


def values_of(
    stream: TextIO, *, is_lines: bool = False, max_chars: int = MAX_LINE_BYTES
) -> Generator[JSONPlace]:
    """
    Yield the members of the array that a file is, or the values that stand in it.

    An object whose first member is an array of ``conversations`` stands for that array.
    A value that cannot be read is yielded with its error, and the reading goes on where
    brackets and quotes, or in JSON Lines the end of the line, say that it ends.

    Args:
        stream: The file, opened as text; it is read forwards only.

        is_lines: Whether each line is a value of its own, also if it is an array.

        max_chars: The longest value that is kept, in characters.
    """
    return _Window(stream, max_chars).places(is_lines=is_lines)


class _Window:
    """
    What is in memory of a file: from a value on.
    """

    def __init__(self, stream: TextIO, max_chars: int) -> None:
        self._stream = stream
        self._max_chars = max_chars
        self._text = ""
        self._at = 0
        self._line = 1
        self._has_more = True

    def places(self, *, is_lines: bool) -> Generator[JSONPlace]:
        prefix = None if is_lines else self._enter_array()
        if prefix is not None:
            yield from self._members(prefix)
            return
        count = 0
        while self._skip_filling():
            # What follows a first value is one, too: in JSON Lines of another name.
            is_lines = is_lines or count > 0
            count += 1
            place = self._next("$", self._line)
            yield place
            if place.error is not None:
                if not is_lines:
                    return
                self._skip_line()

    def _members(self, prefix: str) -> Generator[JSONPlace]:
        index = 0
        while self._skip_filling():
            if self._text[self._at] == "]":
                self._move(self._at + 1)
                if self._skip_filling() and prefix == "$":
                    yield JSONPlace("$", 0, error=_BEHIND_ARRAY)
                return
            place = self._next(f"{prefix}[{index}]", index + 1)
            yield place
            if place.error == CUT_OFF:
                return
            if place.error is not None:
                self._skip_value()
            index += 1
        yield JSONPlace(f"{prefix}[{index}]", index + 1, error=CUT_OFF)

    def _enter_array(self) -> str | None:
        """
        Return the path of the array that the file is, or None if it is none.
        """
        if not self._skip_filling():
            return None
        if self._text[self._at] == "[":
            self._move(self._at + 1)
            return "$"
        wrapped = _WRAPPED.match(self._text, self._at)
        if wrapped is None:
            return None
        self._move(wrapped.end())
        return "$.conversations"

    def _next(self, path: str, number: int) -> JSONPlace:
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                reason = f"{error.msg} (character {error.pos - self._at + 1})"
                is_cut = error.msg.startswith("Unterminated string") or (
                    error.pos >= len(self._text) - _LONGEST_TOKEN
                    if self._has_more
                    else _BEGINNING_OF_TOKEN.match(self._text, error.pos) is not None
                )
            except (ValueError, RecursionError) as error:
                reason, is_cut = str(error), False
            else:
                # More digits of a number may follow.
                is_cut = isinstance(value, int | float) and (
                    end >= len(self._text) - _LONGEST_TOKEN
                )
                if not is_cut or not self._has_more:
                    place = JSONPlace(path, number, value, end - self._at)
                    self._move(end)
                    return place
                reason = ""
            if is_cut and self._has_more:
                if len(self._text) - self._at <= self._max_chars:
                    self._fill()
                    continue
                reason = f"it is longer than {self._max_chars:,} characters"
            elif is_cut:
                reason = CUT_OFF
            return JSONPlace(path, number, error=reason)

    def _skip_filling(self) -> bool:
        """
        Move to the next value, and return whether there is one.
        """
        while True:
            found = _FILLING.match(self._text, self._at)
            self._move(self._at if found is None else found.end())
            if self._at < len(self._text):
                return True
            if not self._fill():
                return False

    def _skip_line(self) -> None:
        while (end := self._text.find("\n", self._at)) < 0:
            self._move(len(self._text))
            if not self._fill():
                return
        self._move(end)

    def _skip_value(self) -> None:
        """
        Move behind a value that cannot be read, without keeping it.
        """
        if self._text[self._at] not in '"[{':
            found = _NOT_WITHIN.match(self._text, self._at)
            self._move(self._at + 1 if found is None else found.end())
            return
        depth, is_string = 0, False
        while True:
            pattern = _END_OF_STRING if is_string else _STRUCTURE
            found = pattern.search(self._text, self._at)
            is_torn = found is not None and found.group() == "\\"
            if found is None or is_torn:
                self._move(len(self._text) - is_torn)
                if not self._fill():
                    self._move(len(self._text))
                    return
                continue
            self._move(found.end())
            mark = found.group()
            if mark == '"':
                is_string = not is_string
            elif not is_string:
                depth += 1 if mark in "[{" else -1
            if depth <= 0 and not is_string:
                return

    def _move(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def _fill(self) -> bool:
        """
        Read on, and return whether there was anything.

        As much as there is: so a value that is far longer than what is read at once is
        not decoded from its beginning more than a few times.
        """
        kept = self._text[self._at :]
        more = self._stream.read(max(_BLOCK, len(kept)))
        self._text, self._at, self._has_more = kept + more, 0, bool(more)
        return self._has_more
