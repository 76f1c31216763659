"""
Where the members of a long JSON text begin and end, found without decoding it.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from collections.abc import Generator, Mapping
from itertools import accumulate
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.json_values import MAX_DEPTH, without_collection

PIECE_LENGTH = 1 << 15
"""
How many characters are worked on in one step: some milliseconds, whatever they hold.
"""

_BLANK = " "
_WHITE_SPACE = " \t\n\r"
_SPACES = re.compile("[ \t\n\r]*")
_OPENING = ("[", "{")
_OUTERMOST = 1

# What a byte holds: more than JSON may have, in a body that has some values around it.
_DEEPEST = 0xFF


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _mapped(values: dict[bytes, int]) -> bytes:
    table = bytearray(256)
    for characters, value in values.items():
        for character in characters:
            table[character] = value
    return bytes(table)


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """
    Make an object of its members; refuse a key that appears twice.
    """
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        _refuse_repetition(next(name for name in counts if counts[name] > 1))
    return made


def _refuse_repetition(key: str) -> None:
    shown = fields.shown(key)
    raise ValidationError(f"{shown}: this key appears twice in one object")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_STRICT_DECODER = json.JSONDecoder(
    object_pairs_hook=without_repetition, parse_constant=_refuse_constant
)
# As signed bytes: a step into a container is 1, one out of it is -1.
_STEPS = _mapped({b"[{": 1, b"]}": 0xFF})
_COMMAS = _mapped({b",": 0xFF})
_CLOSERS = _mapped({b"]}": 0xFF})


@attrs.frozen
class Span:
    """
    A container in a text: from its opening bracket to behind the one that closes it.
    """

    start: int
    """
    Where its opening bracket is.
    """

    end: int
    """
    Behind its closing bracket.
    """

    depth: int
    """
    In how many containers it is, and one more.
    """


@attrs.frozen(eq=False)
class Outline:
    """
    A JSON text, with the places of its commas and closing brackets by their depth.

    A text that is not JSON has an outline too: what is wrong is found when its pieces
    are decoded, each of which is a list or an object by itself.
    """

    text: str
    """
    The text itself.
    """

    commas: bytes
    """
    For each character, how many containers it is in (and one more) if it is a comma
    between members; else 0.
    """

    closers: bytes
    """
    The same for each bracket that closes a container, seen from outside of that.
    """

    piece_length: int
    """
    How many characters are decoded in one step.
    """

    refuses_repetition: bool = False
    """
    Whether a key may not appear twice in one object.
    """

    def add(self, members: dict[str, Any], more: Mapping[str, Any]) -> None:
        """
        Add what a further piece of an object has to its *members*.

        Raises:
            ValidationError: If a key appears twice, and none may.
        """
        if self.refuses_repetition and not members.keys().isdisjoint(more):
            _refuse_repetition(next(iter(members.keys() & more.keys())))
        members |= more

    def whole(self) -> Span:
        """
        Return the container that the text is.

        Raises:
            ValueError: If it is something else.
        """
        start, end = self._trimmed(0, len(self.text))
        if (span := self._container(start, end, _OUTERMOST)) is None:
            raise ValueError("no object or array")
        return span

    def is_too_deep(self, span: Span) -> bool:
        """
        Return whether a container is nested more deeply than JSON may be.
        """
        # Depths follow each other without a gap, so that one of them tells.
        outside = bytes((span.depth + MAX_DEPTH,))
        return self.closers.find(outside, span.start, span.end) >= 0

    def is_long(self, start: int, end: int) -> bool:
        """
        Return whether there is too much to decode in one step.
        """
        return end - start > self.piece_length

    def is_object(self, span: Span) -> bool:
        """
        Return whether a container is an object, and not an array.
        """
        return self.text[span.start] == "{"

    def decode(self, span: Span) -> Any:
        """
        Decode a container at once.

        Raises:
            ValueError: If it is not JSON.
        """
        return self._decoded(self.text[span.start : span.end])

    def pieces(self, span: Span) -> Generator[tuple[int, int]]:
        """
        Yield where to cut a container: several members, or a single one that is longer.

        The latter :meth:`is_long`, and is read by :meth:`long_member`.
        """
        comma = bytes((span.depth + 1,))
        start, last = span.start + 1, span.end - 1
        while self.is_long(start, last):
            until = start + self.piece_length
            cut = self.commas.rfind(comma, start, until)
            if cut < 0:
                cut = self.commas.find(comma, until, last)
            if cut < 0:
                break
            yield start, cut
            start = cut + 1
        yield start, last

    def members(self, span: Span, start: int, end: int) -> Any:
        """
        Decode a piece of a container, as a container of the same kind.

        Raises:
            ValueError: If it is not JSON.
        """
        opening, closing = self.text[span.start], self.text[span.end - 1]
        members = self._decoded(f"{opening}{self.text[start:end]}{closing}")
        is_all = (start, end) == (span.start + 1, span.end - 1)
        if not members and not is_all:
            raise ValueError("nothing between two commas")
        return members

    def long_member(self, span: Span, start: int, end: int) -> tuple[str, Span | Any]:
        """
        Return the one member of a piece: its key, in an object, and the value.

        Returns:
            The key; empty in an array. Then the container that the value is, undecoded,
            or anything else as decoded.

        Raises:
            ValueError: If it is not JSON.
        """
        key = ""
        start, end = self._trimmed(start, end)
        if self.is_object(span):
            key, start = self._key(start)
        if (value := self._container(start, end, span.depth + 1)) is not None:
            return key, value
        if self.text[start : start + 1] in _OPENING:
            raise ValueError("no member behind a comma")
        return key, self._decoded(self.text[start:end])

    def _decoded(self, text: str) -> Any:
        with without_collection():
            decoder = _STRICT_DECODER if self.refuses_repetition else _DECODER
            return decoder.decode(text)

    def _key(self, start: int) -> tuple[str, int]:
        if self.text[start : start + 1] != '"':
            raise ValueError("a key that is no text")
        key, end = _DECODER.raw_decode(self.text, start)
        colon = self._after_spaces(end)
        if self.text[colon : colon + 1] != ":":
            raise ValueError("a key without a value")
        return key, self._after_spaces(colon + 1)

    def _after_spaces(self, start: int) -> int:
        match = _SPACES.match(self.text, start)
        return start if match is None else match.end()

    def _trimmed(self, start: int, end: int) -> tuple[int, int]:
        text = self.text[start:end].rstrip(_WHITE_SPACE)
        return self._after_spaces(start), start + len(text)

    def _container(self, start: int, end: int, depth: int) -> Span | None:
        """
        Return the span of a value, if it is a container from its start to its end.
        """
        brackets = self.text[start : start + 1] + self.text[end - 1 : end]
        if brackets not in {"[]", "{}"}:
            return None
        closed = self.closers.find(bytes((depth,)), start)
        return Span(start, end, depth) if closed == end - 1 else None


def outline_of(
    text: str,
    path: str,
    *,
    piece_length: int = PIECE_LENGTH,
    refuses_repetition: bool = False,
) -> Generator[None, None, Outline]:
    """
    Find the outline of a text, in steps of about a millisecond.

    Nearly everything is done in C; a mebibyte takes 20 ms in total.

    Args:
        text: One that stands for an object or an array, if it is JSON.

        path: How the text is called in an error.

        piece_length: How many characters are looked at in one step.

        refuses_repetition: Whether a key may not appear twice in one object.

    Returns:
        The outline, when the steps are over.

    Raises:
        ValidationError: If it is nested far too deeply.

        ValueError: If it is not JSON, as far as its brackets tell.
    """
    commas, closers = list[bytes](), list[bytes]()
    # Of the same length, since places count. In this order: a backslash that is escaped
    # escapes no quotation mark.
    plain = text
    if "\\" in text:
        plain = plain.replace("\\\\", 2 * _BLANK)
        yield
        plain = plain.replace('\\"', 2 * _BLANK)
        yield
    is_in_string, depth = False, _OUTERMOST
    for start in range(0, len(plain), piece_length):
        parts = plain[start : start + piece_length].split('"')
        strings = slice(0 if is_in_string else 1, None, 2)
        parts[strings] = map(_BLANK.__mul__, map(len, parts[strings]))
        is_in_string ^= len(parts) % 2 == 0
        outside = '"'.join(parts).encode("ascii", "replace")
        depths = _depths(outside, depth, path)
        depth = depths[-1]
        commas.append(_common_bits(depths, outside.translate(_COMMAS)))
        closers.append(_common_bits(depths, outside.translate(_CLOSERS)))
        yield
    return Outline(
        text, b"".join(commas), b"".join(closers), piece_length, refuses_repetition
    )


def _depths(outside: bytes, depth: int, path: str) -> bytes:
    """
    Return the depth behind each character.
    """
    steps = outside.translate(_STEPS)
    if not steps.strip(b"\0"):
        return bytes((depth,)) * len(steps)
    depths = array("i", accumulate(array("b", steps), initial=depth))[1:]
    if min(depths) < _OUTERMOST:
        raise ValueError("more brackets are closed than opened")
    if max(depths) > _DEEPEST:
        raise ValidationError(f"{path}: nested more than {MAX_DEPTH} levels deep")
    return bytes(depths.tolist())


def _common_bits(some: bytes, others: bytes) -> bytes:
    # As one large integer each, which takes a hundredth of the time of a loop.
    bits = int.from_bytes(some, "little") & int.from_bytes(others, "little")
    return bits.to_bytes(len(some), "little")
