"""
Routes for the state items that go with a session.

Scope and key stand in the query, where every character can: in a path, a slash could
not be told from one between its parts.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypeAlias

from fastapi import Query, Request, Response

from asm_async.integrations.fastapi import schema_models
from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.bodies import BodyDep, made_of, with_place
from asm_async.integrations.fastapi.pages import page_response
from asm_async.integrations.fastapi.parameters import (
    Cursor,
    Limit,
    SessionIdPath,
    Text,
)
from asm_async.integrations.fastapi.responses import (
    ExpectedDep,
    IfNoneMatch,
    precondition,
    unless_known,
    with_tag,
)
from asm_async.values.state_item import MAX_KEY_LENGTH, StateItem

Scope: TypeAlias = Annotated[
    schema_models.Text, Query(description="The item's scope.", examples=["app/user"])
]
Key: TypeAlias = Annotated[
    schema_models.KeyText, Query(description="The item's key.", examples=["theme"])
]
Prefix: TypeAlias = Annotated[
    str,
    Query(
        description="What the keys begin with.",
        max_length=MAX_KEY_LENGTH,
        pattern=r"^[^\x00]*$",
    ),
]


async def list_items(
    *,
    request: Request,
    session_id: SessionIdPath,
    view: ViewDep,
    context: ContextDep,
    scope: Text = None,
    prefix: Prefix = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """
    List the state items that go with the session, by scope and key.

    Their *content* is left out, and null instead.
    """
    return await page_response(
        request,
        partial(view.items.page, session_id),
        context.limits.max_page_bytes,
        scope=scope,
        prefix=prefix,
        limit=limit,
        cursor=cursor,
    )


async def get_item(
    *,
    session_id: SessionIdPath,
    scope: Scope,
    key: Key,
    view: ViewDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """
    Return a state item that goes with the session.
    """
    return unless_known(await view.items.get(session_id, scope, key), if_none_match)


async def save_item(
    *,
    session_id: SessionIdPath,
    scope: Scope,
    key: Key,
    view: ViewDep,
    body: BodyDep,
    expected: ExpectedDep,
) -> Response:
    """
    Save a state item that goes with the session: insert it, or replace the one there.

    One that goes with another session, or with none, is not replaced (409).
    """
    place = with_place(body, scope=scope, key=key, session_id=session_id)
    item = await made_of(StateItem.from_dict, place)
    with precondition(expected):
        saved, is_new = await view.items.put(item, expected_revision=expected)
    return with_tag(saved, 201 if is_new else 200)


async def delete_item(
    *,
    session_id: SessionIdPath,
    scope: Scope,
    key: Key,
    view: ViewDep,
    expected: ExpectedDep,
) -> Response:
    """
    Remove a state item that goes with the session.
    """
    with precondition(expected):
        await view.items.delete(session_id, scope, key, expected)
    return Response(status_code=204)
