"""
Values of the ports as JSON, in a response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlencode

import attrs
from starlette.requests import Request
from starlette.responses import Response

from asm_async.values.event import Event
from asm_async.values.json_values import encode_json
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session


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


def link_to_next(request: Request, **parameters: str) -> dict[str, str]:
    """
    Link to the same query with other *parameters* (RFC 8288).

    The link is relative, so that it holds behind any proxy.
    """
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in parameters
    ]
    return {"Link": f'<?{urlencode([*kept, *parameters.items()])}>; rel="next"'}


def page_response(
    request: Request, page: Page[Session] | Page[Run] | Page[Event]
) -> JSONText:
    """
    Answer with a page, and with where the next one is.
    """
    items: Sequence[Session | Run | Event] = page.items
    content = {
        "items": [item.to_dict() for item in items],
        "cursor": page.cursor,
        "total_count": page.total_count,
    }
    headers = {} if page.cursor is None else link_to_next(request, cursor=page.cursor)
    return JSONText(content, headers=headers)
