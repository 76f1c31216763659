"""
Long JSON as the text in which it is stored, made piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from asm_async.errors import ValidationError
from asm_async.values.json_outline import Outline, Span, outline_of
from asm_async.values.json_values import (
    MAX_DEPTH,
    EncodedJSON,
    encode_json,
    without_collection,
)
from asm_async.values.parsed_json import encode_parsed

Change: TypeAlias = Callable[[Any], Any]
"""
Makes another JSON value of one, of the same keys and lengths; given a container in
pieces, it makes the same as of the whole.
"""


def _unchanged(value: Any) -> Any:
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
            if not self._outline.is_long(start, end):
                with without_collection():
                    texts.append(self._listed(span, start, end))
            else:
                _, value = self._outline.long_member(span, start, end)
                if isinstance(value, Span):
                    texts.append((yield from self.container(value)))
                else:
                    texts.append(self._changed(value))
            yield
        return f"[{','.join(texts)}]"

    def _object(self, span: Span) -> Generator[None, None, str]:
        # One by one, since of two members with one key the second is what counts.
        texts = dict[str, str]()
        for start, end in self._outline.pieces(span):
            if not self._outline.is_long(start, end):
                with without_collection():
                    texts |= self._named(span, start, end)
            else:
                key, value = self._outline.long_member(span, start, end)
                given = None if isinstance(value, Span) else value
                changed = self._change({key: given})[key]
                # What a key alone decides about is not looked into.
                if isinstance(value, Span) and changed is None:
                    text = yield from self.container(value)
                    texts[key] = f"{encode_json(key)}:{text}"
                else:
                    texts[key] = self._member(key, changed)
            yield
        return f"{{{','.join(texts.values())}}}"

    # What is decoded is gone when these return: the garbage collector, once it may run
    # again, would go through all that is still there, and soon through all there is.

    def _listed(self, span: Span, start: int, end: int) -> str:
        return self._changed(self._outline.members(span, start, end))[1:-1]

    def _named(self, span: Span, start: int, end: int) -> dict[str, str]:
        members = self._change(self._outline.members(span, start, end))
        return {key: self._member(key, member) for key, member in members.items()}

    def _member(self, key: str, value: object) -> str:
        return f"{encode_json(key)}:{encode_parsed(value, self._path)}"

    def _changed(self, value: object) -> str:
        return encode_parsed(self._change(value), self._path)
