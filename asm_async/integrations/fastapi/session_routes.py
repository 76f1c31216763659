"""
Routes for sessions.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import Query, Request, Response

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.bodies import (
    BodyDep,
    made_by,
    made_of,
    members_of,
    with_place,
)
from asm_async.integrations.fastapi.pages import page_response, session_texts
from asm_async.integrations.fastapi.parameters import SessionIdPath, SessionQuery
from asm_async.integrations.fastapi.responses import (
    ExpectedDep,
    IfNoneMatch,
    json_response,
    precondition,
    unless_known,
    with_tag,
)
from asm_async.integrations.fastapi.streams import JSONStream, Write
from asm_async.values import fields
from asm_async.values.ids import new_session_id
from asm_async.values.plain_value import plain_json
from asm_async.values.session import Session


async def list_sessions(
    request: Request, view: ViewDep, context: ContextDep, query: SessionQuery
) -> Response:
    """
    Find sessions, latest first unless asked otherwise.
    """
    max_bytes = context.limits.max_page_bytes
    return await page_response(request, view.search_sessions, max_bytes, **query)


async def begin_session(view: ViewDep, body: BodyDep) -> Response:
    """
    Begin a session, with an id and times of the server's.

    Repeating the request begins another one. A client that may have to repeat it uses
    PUT, with an id of its own.
    """
    if "id" in body:
        raise ValidationError("id: the server assigns it; use PUT to choose your own")
    now = datetime.now(UTC).isoformat()
    given = {"status": "pending", "created_at": now, "updated_at": now}
    members = {**given, **body, "id": new_session_id()}
    session = await made_of(Session.from_dict, members)
    saved = await view.save_session(session, expected_revision=0)
    return with_tag(saved, 201, location=f"sessions/{saved.id}")


async def get_session(
    session_id: SessionIdPath, view: ViewDep, if_none_match: IfNoneMatch = None
) -> Response:
    """
    Return the session, soft-deleted or not.
    """
    return unless_known(await view.get_session(session_id), if_none_match)


async def save_session(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Save the session whole: insert it, or replace the one of this id.
    """
    session = await made_of(Session.from_dict, with_place(body, id=session_id))
    with precondition(expected):
        saved, is_new = await view.put_session(session, expected_revision=expected)
    return with_tag(saved, 201 if is_new else 200)


async def copy_session(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep
) -> Response:
    """
    Make a session that has the events of this one up to a number: a fork of it.
    """
    rules: fields.FieldRules = {
        "session": made_by(Session.from_dict),
        "through": partial(fields.optional, rule=fields.count),
        "operation_id": partial(fields.optional, rule=fields.text),
    }
    optional = ("through", "operation_id")
    given = await made_of(partial(members_of, rules=rules, optional=optional), body)
    copied = await view.copy_session(session_id, given.pop("session"), **given)
    return with_tag(copied, 201, location=f"../{quote(copied.id, safe='')}")


async def delete_session(
    *,
    session_id: SessionIdPath,
    view: ViewDep,
    hard: Annotated[
        bool, Query(description="Remove it permanently, with its runs and events.")
    ] = False,
) -> Response:
    """
    Mark the session deleted: it can be read by its id, and restored; or remove it.
    """
    if hard:
        await view.delete_session(session_id)
    else:
        await view.soft_delete_session(session_id)
    return Response(status_code=204)


async def restore_session(session_id: SessionIdPath, view: ViewDep) -> Response:
    """
    Undo the session's soft deletion.
    """
    return with_tag(await view.restore_session(session_id))


async def get_session_stats(session_id: SessionIdPath, view: ViewDep) -> Response:
    """
    Return statistics of the session.
    """
    return json_response(plain_json(await view.get_session_stats(session_id)))


async def export_session(
    session_id: SessionIdPath, view: ViewDep, context: ContextDep
) -> Response:
    """
    Return the session with its runs, and its events up to those of this moment.

    It is streamed: an answer that is broken off is no JSON.
    """

    async def produce(write: Write) -> None:
        async with aclosing(session_texts(view, session_id)) as texts:
            async for text in texts:
                await write(text.encode())

    return JSONStream(produce, context)
