"""
Texts and JSON values that are cut to a length, and say how much is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import attrs

from asm_async.console.entry_answers import Cut
from asm_async.values.json_values import decoded


def members(member: Any) -> Mapping[str, Any]:
    """
    Return the same as an object; an empty one where it is none.
    """
    value = decoded(member)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def time_text(time: datetime) -> str:
    """
    Write a time.
    """
    return time.isoformat(timespec="microseconds")


def optional_time(time: datetime | None) -> str | None:
    """
    Write a time, if there is one.
    """
    return None if time is None else time_text(time)


def pretty_json(value: object) -> str:
    """
    Write a JSON value for people to read.
    """
    return json.dumps(value, indent=2, ensure_ascii=False)


@attrs.define
class Cutter:
    """
    Cuts what is displayed of one thing.
    """

    max_length: int | None = None
    """
    How many characters a text keeps; None for all.
    """

    has_cut: bool = attrs.field(init=False, default=False)
    """
    Whether anything was left out.
    """

    def text(self, text: str) -> Cut:
        """
        Cut a text.
        """
        return self._cut(text, is_json=False)

    def json(self, value: object) -> Cut:
        """
        Cut a JSON value: its text, or the value pretty-printed where it is no text.
        """
        if isinstance(value, str):
            return self.text(value)
        return self._cut(pretty_json(value), is_json=True)

    def optional(self, value: object) -> Cut | None:
        """
        Cut a JSON value, if there is one.
        """
        return None if value is None else self.json(value)

    def _cut(self, text: str, *, is_json: bool) -> Cut:
        more = 0
        if self.max_length is not None and len(text) > self.max_length:
            # JSON may hold lone surrogates, which UTF-8 has no bytes for.
            left_out = text[self.max_length :]
            more = len(left_out.encode("utf-8", "surrogatepass"))
            text = text[: self.max_length]
            self.has_cut = True
        return {
            "text": text,
            "format": "json" if is_json else "text",
            "more_bytes": more,
        }
