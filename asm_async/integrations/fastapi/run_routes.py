"""
Routes for the runs of a session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from fastapi import Request, Response

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.bodies import (
    BodyDep,
    made_by,
    made_of,
    members_of,
    with_place,
)
from asm_async.integrations.fastapi.pages import encode_values, page_response
from asm_async.integrations.fastapi.parameters import (
    Cursor,
    Limit,
    RunIdPath,
    RunStatuses,
    SessionIdPath,
)
from asm_async.integrations.fastapi.responses import (
    ExpectedDep,
    IfNoneMatch,
    encode_value,
    json_text_response,
    precondition,
    unless_known,
    with_tag,
)
from asm_async.ports.query_api import RunOrder
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.ids import new_run_id
from asm_async.values.run import Run
from asm_async.values.session import Session

_COMMIT_OPTIONS = ("expected_revisions", "operation_id")


async def list_session_runs(
    *,
    request: Request,
    session_id: SessionIdPath,
    view: ViewDep,
    context: ContextDep,
    status: RunStatuses = None,
    order_by: RunOrder = "started_at_asc",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """
    List the session's runs in the order they were started, unless asked otherwise.
    """
    return await page_response(
        request,
        partial(view.list_runs, session_id),
        context.limits.max_page_bytes,
        status=status,
        order_by=order_by,
        limit=limit,
        cursor=cursor,
    )


async def begin_run(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep
) -> Response:
    """
    Begin a run of the session, with an id and a time of the server's.
    """
    if "id" in body:
        raise ValidationError("id: the server assigns it; use PUT to choose your own")
    now = datetime.now(UTC).isoformat()
    given = {"status": "pending", "started_at": now, **body, "id": new_run_id()}
    run = await made_of(Run.from_dict, with_place(given, session_id=session_id))
    saved = await view.save_run(run, expected_revision=0)
    return with_tag(saved, 201, location=f"runs/{saved.id}")


async def get_run(
    session_id: SessionIdPath,
    run_id: RunIdPath,
    view: ViewDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """
    Return a run of the session.
    """
    return unless_known(await view.get_run(session_id, run_id), if_none_match)


async def save_run(
    *,
    session_id: SessionIdPath,
    run_id: RunIdPath,
    view: ViewDep,
    body: BodyDep,
    expected: ExpectedDep,
) -> Response:
    """
    Save a run of the session whole: insert it, or replace the one of this id.
    """
    place = with_place(body, id=run_id, session_id=session_id)
    run = await made_of(Run.from_dict, place)
    with precondition(expected):
        saved, is_new = await view.put_run(run, expected_revision=expected)
    return with_tag(saved, 201 if is_new else 200)


async def commit(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Store the session, runs of it and events, all or nothing.

    What the body leaves out is not touched. The entity tag to expect is that of the
    session's events: their latest number.
    """
    session = made_by(Session.from_dict, id=session_id)
    run = made_by(Run.from_dict, session_id=session_id)
    event = made_by(Event.from_dict, session_id=session_id)
    counts = partial(fields.mapping_of, key_rule=fields.text, rule=fields.count)
    rules: fields.FieldRules = {
        "session": partial(fields.optional, rule=session),
        "create_session": partial(fields.optional, rule=session),
        "runs": partial(fields.tuple_of, rule=run),
        "events": partial(fields.tuple_of, rule=event),
        "expected_revisions": counts,
        "operation_id": partial(fields.optional, rule=fields.text),
    }
    given = await made_of(partial(members_of, rules=rules, optional=rules.keys()), body)
    options = {name: given.pop(name, None) for name in _COMMIT_OPTIONS}
    with precondition(expected):
        stored = await view.commit(
            Changes(**given), expected_sequence=expected, **options
        )
    session_text = "null" if stored.session is None else encode_value(stored.session)
    runs, events = [
        ",".join(await encode_values(values)) for values in (stored.runs, stored.events)
    ]
    return json_text_response(
        f'{{"session":{session_text},"runs":[{runs}],"events":[{events}]}}'
    )
