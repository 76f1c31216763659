"""
Long JSON as the text in which it is stored, made piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar, cast

from asm_async.errors import ValidationError
from asm_async.values.json_outline import PIECE_LENGTH, Outline, Span, outline_of
from asm_async.values.json_values import (
    MAX_DEPTH,
    EncodedJSON,
    encode_json,
    without_collection,
)
from asm_async.values.parsed_json import encode_parsed

T = TypeVar("T")

Change: TypeAlias = Callable[[Any], Generator[None, None, Any]]
"""
Makes another JSON value of one, in steps: of the same keys and lengths, and of the
pieces of a container the same as of the whole.
"""


def _unchanged(value: Any) -> Generator[None, None, Any]:
    yield from ()
    return value


def encode_in_pieces(
    outline: Outline, span: Span, path: str, change: Change = _unchanged
) -> Generator[None, None, EncodedJSON]:
    """
    Encode a container of a text as it is stored, in steps of some milliseconds.

    Only one piece at a time is decoded: the objects that a mebibyte of empty arrays
    stands for take twenty times its memory, and keep the garbage collector busy.

    Args:
        outline: That of the text.

        span: The container.

        path: Where it stands, for errors.

        change: What is to be encoded in place of what stands there.

    Returns:
        The text, when the steps are over.

    Raises:
        ValidationError: If a number is too large for a float, an integer has more than
            4,300 digits, or it is nested too deeply.

        ValueError: If it is not JSON.
    """
    if outline.is_too_deep(span):
        raise ValidationError(f"{path}: nested more than {MAX_DEPTH} levels deep")
    writer = _Writer(outline, path, change)
    return EncodedJSON((yield from writer.container(span)))


def change_in_pieces(
    text: EncodedJSON, change: Change
) -> Generator[None, None, EncodedJSON]:
    """
    Change a long object or array, which is stored as it is, in the same way.

    Returns:
        The text of the changed value, when the steps are over.
    """
    outline = yield from outline_of(text, "JSON")
    return (yield from encode_in_pieces(outline, outline.whole(), "JSON", change))


def members_in_pieces(
    text: EncodedJSON, *, piece_length: int = PIECE_LENGTH
) -> Generator[None, None, list[Any]]:
    """
    Take a long array, which is stored as it is, apart.

    Args:
        text: The array.

        piece_length: How many characters are looked at in one step.

    Returns:
        Its members, when the steps are over: each object or array as its text, and
        what is neither as it is.
    """
    outline = yield from outline_of(text, "JSON", piece_length=piece_length)
    whole, members = outline.whole(), list[Any]()
    for start, end in outline.pieces(whole):
        if outline.is_long(start, end):
            _, member = outline.long_member(whole, start, end)
            if isinstance(member, Span):
                member = EncodedJSON(text[member.start : member.end])
            members.append(member)
        else:
            with without_collection():
                members += map(_text_of, outline.members(whole, start, end))
        yield
    return members


def _text_of(member: object) -> object:
    if isinstance(member, dict | list):
        return EncodedJSON(encode_json(cast("object", member)))
    return member


class _Writer:
    """
    Writes containers of one text.
    """

    def __init__(self, outline: Outline, path: str, change: Change) -> None:
        self._outline = outline
        self._path = path
        self._change = change

    def container(self, span: Span) -> Generator[None, None, str]:
        if self._outline.is_object(span):
            return (yield from self._object(span))
        return (yield from self._array(span))

    def _array(self, span: Span) -> Generator[None, None, str]:
        texts = list[str]()
        for start, end in self._outline.pieces(span):
            if self._outline.is_long(start, end):
                _, value = self._outline.long_member(span, start, end)
                texts.append((yield from self._long(value)))
            else:
                with without_collection():
                    texts.append(self._listed(span, start, end))
            yield
        return f"[{','.join(texts)}]"

    def _object(self, span: Span) -> Generator[None, None, str]:
        # One by one, since of two members with one key the second is what counts.
        texts = dict[str, str]()
        for start, end in self._outline.pieces(span):
            if self._outline.is_long(start, end):
                key, value = self._outline.long_member(span, start, end)
                # What a key alone decides about is not looked into.
                changed = at_once(self._change({key: None}))[key]
                if changed is None:
                    text = yield from self._long(value)
                else:
                    text = self._encoded(changed)
                self._outline.add(texts, {key: f"{encode_json(key)}:{text}"})
            else:
                with without_collection():
                    self._outline.add(texts, self._named(span, start, end))
            yield
        return f"{{{','.join(texts.values())}}}"

    # What is decoded is gone when these return: the garbage collector, once it may run
    # again, would go through all that is still there, and soon through all there is.

    def _listed(self, span: Span, start: int, end: int) -> str:
        members = self._outline.members(span, start, end)
        return self._encoded(at_once(self._change(members)))[1:-1]

    def _named(self, span: Span, start: int, end: int) -> dict[str, str]:
        members = self._outline.members(span, start, end)
        return {
            key: f"{encode_json(key)}:{self._encoded(member)}"
            for key, member in at_once(self._change(members)).items()
        }

    def _long(self, value: Span | Any) -> Generator[None, None, str]:
        if isinstance(value, Span):
            return (yield from self.container(value))
        return self._encoded((yield from self._change(value)))

    def _encoded(self, value: object) -> str:
        return encode_parsed(value, self._path)


def at_once(steps: Generator[None, None, T]) -> T:
    """
    Return what comes out of *steps*, of which there are few.
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
