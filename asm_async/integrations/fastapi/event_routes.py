"""
Routes for the events of a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import Request, Response

from asm_async.integrations.fastapi.access import ViewDep
from asm_async.integrations.fastapi.bodies import (
    BodyDep,
    made_by,
    members_of,
    with_place,
)
from asm_async.integrations.fastapi.parameters import (
    Count,
    EventTypeQuery,
    Limit,
    SessionIdPath,
    Text,
    Time,
)
from asm_async.integrations.fastapi.responses import (
    ExpectedDep,
    entity_tag,
    json_response,
    link_to_next,
    precondition,
)
from asm_async.integrations.fastapi.tenant_view import TenantView
from asm_async.values import fields
from asm_async.values.event import Event


async def list_session_events(
    *,
    request: Request,
    session_id: SessionIdPath,
    view: ViewDep,
    run_id: Text = None,
    type: EventTypeQuery = None,  # noqa: A002 - the field's name
    since: Time = None,
    after: Count = None,
    before: Count = None,
    limit: Limit = 100,
) -> Response:
    """
    List the session's events by their numbers.

    The entity tag is the session's latest number, for an append that expects it.
    """
    events, latest = await view.get_events(
        session_id,
        run_id=run_id,
        type=type,
        since=since,
        after=after,
        before=before,
        limit=limit,
    )
    headers = {"ETag": entity_tag(latest)}
    if events and len(events) == limit:
        headers |= link_to_next(request, after=str(events[-1].sequence_number))
    return json_response(
        {"items": [event.to_dict() for event in events]}, headers=headers
    )


async def append_event(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Append an event to the session.

    Repeating the request is safe: an event of this id with the same content is not
    written again, and comes back with 200 instead of 201.
    """
    event = Event.from_dict(with_place(body, session_id=session_id))
    (stored,), status, headers = await _append(view, session_id, [event], expected)
    return json_response(stored, status, headers=headers)


async def append_events(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Append events to the session, all or none, with one block of numbers.

    Repeating the request is safe, as for one event: 200 says that all were there.
    """
    event = made_by(Event.from_dict, session_id=session_id)
    given = members_of(body, {"events": partial(fields.tuple_of, rule=event)})
    items, status, headers = await _append(view, session_id, given["events"], expected)
    return json_response({"items": items}, status, headers=headers)


async def _append(
    view: TenantView, session_id: str, events: Sequence[Event], expected: int | None
) -> tuple[list[dict[str, Any]], int, dict[str, str]]:
    with precondition(expected):
        stored, is_new = await view.append_events(
            session_id, events, expected_sequence=expected
        )
    items = [event.to_dict() for event in stored]
    if not is_new:
        # Events that were there already may have others behind them: no entity tag.
        return items, 200, {}
    return items, 201, {"ETag": entity_tag(stored[-1].sequence_number)}
