"""
Routes for the events of a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fastapi import Request, Response

from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.bodies import (
    BodyDep,
    made_by,
    made_of,
    members_of,
    with_place,
)
from asm_async.integrations.fastapi.pages import EncodedPage, encode_values
from asm_async.integrations.fastapi.parameters import (
    Count,
    EventTypeQuery,
    Limit,
    SessionIdPath,
    Text,
    TextList,
    Time,
    VisibleOnly,
)
from asm_async.integrations.fastapi.responses import (
    ExpectedDep,
    entity_tag,
    json_text_response,
    link_to_next,
    precondition,
)
from asm_async.values import fields
from asm_async.values.event import Event


async def list_session_events(
    *,
    request: Request,
    session_id: SessionIdPath,
    view: ViewDep,
    context: ContextDep,
    run_id: Text = None,
    type: EventTypeQuery = None,  # noqa: A002 - the field's name
    correlation_id: Text = None,
    visible_only: VisibleOnly = False,
    ids: TextList = None,
    since: Time = None,
    after: Count = None,
    before: Count = None,
    limit: Limit = 100,
) -> Response:
    """
    List the session's events by their numbers.

    The entity tag is the session's latest number, for an append that expects it.
    """
    page = EncodedPage(limit, context.limits.max_page_bytes)
    latest: int | None = None
    while True:
        part = page.next_part()
        events, now = await view.get_events(
            session_id,
            run_id=run_id,
            type=type,
            correlation_id=correlation_id,
            visible_only=visible_only,
            ids=ids,
            since=since,
            after=after,
            before=before,
            limit=part,
        )
        latest = now if latest is None else latest
        await page.add(events)
        after = events[-1].sequence_number if events else after
        if not events or len(events) < part or not page.has_room:
            break
    headers = {"ETag": entity_tag(latest)}
    if events and len(events) == part:
        headers |= link_to_next(request, after=str(after))
    return json_text_response(f'{{"items":{page.items}}}', headers=headers)


async def append_event(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Append an event to the session.

    Repeating the request is safe: an event of this id with the same content is not
    written again, and comes back with 200 instead of 201.
    """
    place = with_place(body, session_id=session_id)
    event = await made_of(Event.from_dict, place)
    with precondition(expected):
        stored, is_new = await view.append_events(
            session_id, [event], expected_sequence=expected
        )
    (text,) = await encode_values(stored)
    return json_text_response(text, *_status(stored, is_new=is_new))


async def append_events(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Append events to the session, all or none, with one block of numbers.

    Repeating the request is safe, as for one event: 200 says that all were there.
    """
    event = made_by(Event.from_dict, session_id=session_id)
    rules: fields.FieldRules = {"events": partial(fields.tuple_of, rule=event)}
    given = await made_of(partial(members_of, rules=rules), body)
    with precondition(expected):
        stored, is_new = await view.append_events(
            session_id, given["events"], expected_sequence=expected
        )
    return await _stored_events(stored, is_new=is_new)


async def retract_events(
    session_id: SessionIdPath, view: ViewDep, body: BodyDep, expected: ExpectedDep
) -> Response:
    """
    Hide the session's events from *first* to *last*, and append others in their place.

    They stay stored, and lists leave them out that ask for `visible_only`. The answer
    begins with the event that tells of it.
    """
    event = made_by(Event.from_dict, session_id=session_id)
    rules: fields.FieldRules = {
        "first": fields.positive_count,
        "last": fields.positive_count,
        "replacement": partial(fields.tuple_of, rule=event),
        "operation_id": partial(fields.optional, rule=fields.text),
    }
    optional = ("replacement", "operation_id")
    given = await made_of(partial(members_of, rules=rules, optional=optional), body)
    with precondition(expected):
        stored, is_new = await view.retract_events(
            session_id, expected_sequence=expected, **given
        )
    return await _stored_events(stored, is_new=is_new)


async def _stored_events(stored: Sequence[Event], *, is_new: bool) -> Response:
    text = f'{{"items":[{",".join(await encode_values(stored))}]}}'
    return json_text_response(text, *_status(stored, is_new=is_new))


def _status(stored: Sequence[Event], *, is_new: bool) -> tuple[int, dict[str, str]]:
    if not is_new:
        # Events that were there already may have others behind them: no entity tag.
        return 200, {}
    return 201, {"ETag": entity_tag(stored[-1].sequence_number)}
