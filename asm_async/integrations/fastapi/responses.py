"""
Values of the ports as JSON, in a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

import attrs
from starlette.responses import Response

from asm_async.values.json_values import encode_json

__all__ = ["JSONText", "plain_json"]


class JSONText(Response):
    """
    A JSON value as ASCII text.

    Escaped, every value of a session can be sent: UTF-8 has no lone surrogates.
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """
        Encode a JSON value.
        """
        return encode_json(content).encode("ascii")


def plain_json(value: object) -> Any:
    """
    Return a summary, or what it is made of, as plain JSON.
    """
    if attrs.has(type(value)):
        names = [
            field.name
            for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
        ]
        return {name: plain_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return {plain_json(key): plain_json(member) for key, member in members.items()}
    if isinstance(value, tuple | list):
        return [plain_json(member) for member in cast("list[object]", value)]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.value if isinstance(value, StrEnum) else value
