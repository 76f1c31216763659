"""
An event of a log on one line.
"""

from __future__ import annotations

from asm_async.cli.event_texts import summary_of
from asm_async.cli.screen import Span
from asm_async.cli.styles import BY_ROLE, ERROR, QUIET
from asm_async.cli.times import shown_time
from asm_async.conventions import EventFamily, Role
from asm_async.values.event import Event, EventType

_TYPE_WIDTH = 24


def event_line(event: Event, *, with_session: bool = False) -> list[str | Span]:
    """
    Return an event's number, time, type and what it says.
    """
    session = [(f"{event.session_id} ", "cyan")] if with_session else []
    return [
        (f"{shown_time(event.timestamp)} ", QUIET),
        *session,
        (f"#{event.sequence_number} ".ljust(6), QUIET),
        (event.type.ljust(_TYPE_WIDTH) + " ", _style_of(event)),
        summary_of(event),
    ]


def _style_of(event: Event) -> str:
    match event.type:
        case EventType.MESSAGE_SENT:
            return BY_ROLE[Role.USER]
        case EventType.MESSAGE_RECEIVED | EventType.MESSAGE_STREAMED:
            return BY_ROLE[Role.ASSISTANT]
        case EventType.TOOL_CALL_FAILED | EventType.RUN_FAILED | EventType.RUN_TIMEOUT:
            return ERROR
        case EventType() as known if known.family is EventFamily.TOOL:
            return BY_ROLE[Role.TOOL]
        case EventType() as known if known.family is EventFamily.ERROR:
            return ERROR
        case _:
            return ""
