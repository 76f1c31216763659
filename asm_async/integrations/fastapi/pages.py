"""
Pages of results, each with a link to the next one (RFC 8288).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request

from asm_async.integrations.fastapi.limits import MAX_PAGE_SIZE
from asm_async.integrations.fastapi.responses import JSONText
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["Cursor", "Limit", "link_to_next", "page_response"]

Limit: TypeAlias = Annotated[
    int, Query(ge=0, le=MAX_PAGE_SIZE, description="At most so many on this page.")
]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(description="Where the page begins: the `cursor` of the page before."),
]


def link_to_next(request: Request, **parameters: str) -> dict[str, str]:
    """
    Link to the same question with other *parameters*.

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
