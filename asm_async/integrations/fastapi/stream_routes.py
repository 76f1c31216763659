"""
Routes for events as they are appended, as server-sent events.

What a client sees is defined by the WHATWG's HTML standard, section 9.2: after a broken
connection an ``EventSource`` asks again by itself, with the id of the last event that
it has seen.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, ClassVar, TypeAlias
from urllib.parse import quote, unquote

from fastapi import Header, Query, Response

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.parameters import (
    EventTypes,
    SessionIdPath,
    TenantId,
    Text,
)
from asm_async.integrations.fastapi.problems import problem_of
from asm_async.integrations.fastapi.responses import encode_value
from asm_async.integrations.fastapi.streams import StreamedResponse, Write
from asm_async.values.checkpoint import MAX_CHECKPOINT_LENGTH
from asm_async.values.event import Event, EventType
from asm_async.values.fields import MAX_COUNT


def event_message(event: Event, id_: str) -> bytes:
    """
    Return the message whose data is the event as JSON.
    """
    return f"id: {id_}\ndata: {encode_value(event)}\n\n".encode("ascii")


# In milliseconds: long enough for a server to restart, short enough to go unnoticed.
_RECONNECTION_TIME = b"retry: 2000\n\n"

_END = b"event: end\ndata: {}\n\n"

# A number, and an event's id of 255 characters, each of four bytes in three.
_MAX_ID_LENGTH = 17 + 255 * 12

CheckpointText: TypeAlias = Annotated[
    str | None, Query(min_length=1, max_length=MAX_CHECKPOINT_LENGTH)
]
LastEventId: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The id of the last event that was seen; it goes before the query.",
    ),
]


class EventStream(StreamedResponse):
    """
    A stream of server-sent events.
    """

    media_type = "text/event-stream"
    heartbeat: ClassVar[bytes] = b":\n\n"

    def final_chunk(self, error: BaseException | None) -> bytes | None:
        """
        Return an event with the problem, if there is one; the client may try again.
        """
        if not isinstance(error, Exception):
            return b""
        problem = problem_of(error, self._log_throttle)
        return b"event: error\ndata: %b\n\n" % bytes(problem.body)


async def follow_session(
    *,
    session_id: SessionIdPath,
    view: ViewDep,
    context: ContextDep,
    after: Annotated[
        str,
        Query(
            max_length=_MAX_ID_LENGTH,
            description="Begin behind this number, or the message with this id.",
        ),
    ] = "0",
    types: EventTypes = None,
    run_id: Text = None,
    until_over: Annotated[
        bool,
        Query(description="End with an event `end` once the session is over."),
    ] = False,
    last_event_id: LastEventId = None,
) -> Response:
    """
    Stream the session's events, those to come included.

    The id of a message is the event's number and id. By it the server notices that the
    event was lost since, by a failover or a restored backup, and says so in an event
    `error`; behind a number alone it cannot.
    """
    place = (
        _place("after", after, session_id)
        if last_event_id is None
        else _place("Last-Event-ID", last_event_id, session_id)
    )
    events = await view.follow_session(
        session_id,
        after=place,
        types=types,
        run_id=run_id,
        until_over=until_over,
    )

    async def produce(write: Write) -> None:
        await write(_RECONNECTION_TIME)
        async with aclosing(context.state.pace.of(events)) as paced:
            async for event in paced:
                await write(event_message(event, _id_in_session(event)))
        await write(_END)

    return EventStream(produce, context)


async def follow_all(
    *,
    view: ViewDep,
    context: ContextDep,
    checkpoint: CheckpointText = None,
    latest: Annotated[
        bool,
        Query(description="Begin with the events to come, without any of the past."),
    ] = False,
    types: EventTypes = None,
    agent_id: Text = None,
    tenant_id: TenantId = None,
    user_id: Text = None,
    last_event_id: LastEventId = None,
) -> Response:
    """
    Stream the events of all sessions, those to come included; ids are checkpoints.
    """
    start = checkpoint if last_event_id is None else last_event_id
    if start is None and latest:
        start = await view.get_latest_checkpoint()
    events = view.follow_all(
        checkpoint=start,
        types=types,
        agent_id=agent_id,
        tenant_id=tenant_id,
        user_id=user_id,
    )

    async def produce(write: Write) -> None:
        # An id without data is no event, but the client sends it when it reconnects.
        place = "" if start is None else f"id: {start}\n\n"
        await write(_RECONNECTION_TIME + place.encode())
        async with aclosing(context.state.pace.of(events)) as paced:
            async for event, behind in paced:
                await write(event_message(event, behind))

    return EventStream(produce, context)


def _id_in_session(event: Event) -> str:
    """
    Return the id of the message: the event's number, and its id in ASCII.
    """
    return f"{event.sequence_number}:{quote(event.id, safe='')}"


def _place(name: str, text: str, session_id: str) -> int | Event:
    """
    Return the number or the event that a client has seen last.

    Args:
        name: Where it says so.

        text: A number, or what :func:`_id_in_session` returned.

        session_id: The session that it follows.
    """
    digits, colon, quoted = text.partition(":")
    is_number = digits.isascii() and digits.isdecimal()
    if not is_number or len(text) > _MAX_ID_LENGTH or int(digits) > MAX_COUNT:
        raise ValidationError(
            f"{name}: expected a sequence number, or the id of a message"
        )
    if not colon:
        return int(digits)
    # Of an event its place alone is looked at, which takes its id.
    return Event(
        id=unquote(quoted),
        type=EventType.MESSAGE_SENT,
        timestamp=datetime.now(UTC),
        session_id=session_id,
        sequence_number=int(digits),
    )
