"""
What is not to be stored, and what stands in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields

# Usage summaries add these up, so that they have to stay numbers.
_COUNTS = frozenset({"input_tokens", "output_tokens", "total_tokens"})


def _key(value: object, name: str) -> str:
    key = fields.text(value, name)
    if key.casefold() in _COUNTS:
        raise ValidationError(f"{name}: {key!r} is a count that summaries add up")
    return key


def _keys(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fields.tuple_of(value, "keys", _key)))


def _pattern(value: object, name: str) -> re.Pattern[str]:
    if not isinstance(value, str):
        if not isinstance(getattr(value, "pattern", None), str):
            raise fields.unexpected(name, "a regular expression over text", value)
        return cast("re.Pattern[str]", fields.instance(value, name, re.Pattern))
    try:
        return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValidationError(
            f"{name}: this is no regular expression: {error}"
        ) from None


def _patterns(value: Iterable[str | re.Pattern[str]]) -> tuple[re.Pattern[str], ...]:
    return tuple(dict.fromkeys(fields.tuple_of(value, "patterns", _pattern)))


def _replacement(value: str) -> str:
    text = fields.text(value, "replacement")
    if any(text.startswith(text[start:]) for start in range(1, len(text))):
        raise ValidationError(
            f"replacement: {text!r} ends as it begins, so that its ends could not be"
            " told from the text around it; try '[redacted]'"
        )
    return text


def _ignores_case(value: bool) -> bool:  # noqa: FBT001 - attrs converts by position
    return fields.instance(value, "ignores_case", bool)


@attrs.frozen(kw_only=True)
class RedactionPolicy:
    """
    What of JSON values is replaced before they are stored: nothing unless it is named.

    Values are walked as the structures they are, so that whatever is not matched comes
    out as it went in: numbers to the last bit, types, the order of keys, and the keys
    themselves. Redacting what was redacted changes nothing any more.

    Raises:
        ValidationError: Naming the field that is wrong.
    """

    keys: tuple[str, ...] = attrs.field(default=(), converter=_keys)
    """
    The names of members whose whole value is replaced, whatever it is and however deep
    the member lies; up to 255 characters each.
    """

    ignores_case: bool = attrs.field(default=True, converter=_ignores_case)
    """
    Whether *keys* name ``Password`` and ``PASSWORD`` when they say ``password``.
    """

    patterns: tuple[re.Pattern[str], ...] = attrs.field(default=(), converter=_patterns)
    """
    Regular expressions, compiled or as text; in every text value that is left, each
    match that is not empty is replaced.

    They are searched for again in what is left around a match, as if each piece were a
    text of its own, until none is found. Python's ``re`` knows no time limit, and
    nothing else of the process runs meanwhile: a pattern whose search can take
    exponential time, such as ``(a+)+$``, lets the author of the text stop the
    process.
    """

    replacement: str = attrs.field(default="[redacted]", converter=_replacement)
    """
    The text that stands instead; it must not end as it begins, as ``***`` does.
    """

    _names: frozenset[str] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        names = frozenset(map(self._name, self.keys))
        object.__setattr__(self, "_names", names)

    def redact(self, value: Any) -> Any:
        """
        Copy a JSON value in normal form without what is to be replaced.
        """
        if isinstance(value, str):
            return self.redact_text(value) if self.patterns else value
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {
                key: self.replacement if self._is_named(key) else self.redact(member)
                for key, member in members.items()
            }
        if isinstance(value, list):
            return [self.redact(item) for item in cast("list[object]", value)]
        return value

    def redact_text(self, text: str) -> str:
        """
        Replace every match of a pattern in a text.
        """
        # What was replaced is never searched again, also not in a later call, where it
        # is known by its text: that is why the replacement must not overlap itself.
        waiting, done = [*reversed(text.split(self.replacement))], list[str]()
        while waiting:
            piece = waiting.pop()
            around = self._split(piece)
            if around is None:
                done.append(piece)
            else:
                waiting += reversed(around)
        return self.replacement.join(done)

    def _split(self, piece: str) -> list[str] | None:
        """
        Cut out what the first pattern matches that matches anything.
        """
        for pattern in self.patterns:
            ends = [end for span in _spans(pattern, piece) for end in span]
            if ends:
                bounds = zip([0, *ends[1::2]], [*ends[::2], len(piece)], strict=True)
                return [piece[start:end] for start, end in bounds]
        return None

    def _is_named(self, key: str) -> bool:
        return bool(self._names) and self._name(key) in self._names

    def _name(self, key: str) -> str:
        return key.casefold() if self.ignores_case else key


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in pattern.finditer(text) if match.group())
