"""
What single events say, whatever came before them.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import attrs

from asm_async.conventions import Role
from asm_async.transcripts.message import Message, is_parts
from asm_async.transcripts.outputs import compact_json
from asm_async.values.event import Event, EventType

Key: TypeAlias = str | tuple[str, ...]
"""
What the events of one tool call are found by: its id or, without one, its tool's name.
"""

_NO_NAME = "unknown"


def origin_of(event: Event) -> dict[str, Any]:
    """
    Return the fields that say which event a message is of.
    """
    return {
        "event_id": event.id,
        "sequence_number": event.sequence_number,
        "run_id": event.run_id,
        "timestamp": event.timestamp,
        "metadata": event.metadata,
    }


def said_by(event: Event, role: Role, **more: Any) -> Message:
    """
    Return a message of an event, with *more* of its fields.
    """
    known: Any = event.data.get("provider_data")
    objects = cast("dict[str, Any]", known if isinstance(known, dict) else {})
    return Message(
        role=role,
        provider_data={k: v for k, v in objects.items() if isinstance(v, dict)},
        **origin_of(event),
        **more,
    )


def call_of(event: Event) -> tuple[Message, Key]:
    """
    Return the call that an event is about, and what its other events are found by.
    """
    about, key = _about_call(event)
    message_id = text_of(event, "message_id")
    return said_by(event, Role.ASSISTANT, message_id=message_id, **about), key


def result_of(event: Event) -> tuple[Message, Key]:
    """
    Return the result that an event tells of, and what its call is found by.
    """
    about, key = _about_call(event)
    if event.type is EventType.TOOL_CALL_FAILED:
        about["error_message"] = text_of(event, "error_message") or "The tool failed."
        about["is_error"] = True
    output = event.data.get("tool_output")
    return said_by(event, Role.TOOL, tool_output=output, **about), key


def _about_call(event: Event) -> tuple[dict[str, Any], Key]:
    name = text_of(event, "tool_name") or _NO_NAME
    call_id = text_of(event, "tool_call_id")
    given = event.data.get("tool_input")
    is_input = isinstance(given, dict | str | None)
    about: dict[str, Any] = {
        "tool_call_id": call_id or event.id,
        "tool_name": name,
        "tool_input": given if is_input else compact_json(given),
        "tool_input_text": text_of(event, "tool_input_text"),
    }
    return about, call_id or (name,)


def call_for(result: Message) -> Message:
    """
    Return a call that a result could be that of.
    """
    return attrs.evolve(
        result,
        role=Role.ASSISTANT,
        tool_output=None,
        error_message=None,
        is_error=False,
        is_notice=False,
        provider_data={},
    )


def notice_of(call: Message, text: str, *, is_error: bool) -> Message:
    """
    Return what stands in for the result of a *call*.
    """
    return attrs.evolve(
        call,
        role=Role.TOOL,
        message_id=None,
        tool_output=text,
        is_error=is_error,
        is_notice=True,
    )


def role_of(event: Event, default: Role) -> Role:
    """
    Return who says it; *default* where that is nobody known.
    """
    role = text_of(event, "role") or default
    known = {each.value for each in Role if each is not Role.TOOL}
    return Role(role.lower()) if role.lower() in known else default


def content_of(event: Event) -> Any:
    """
    Return a message's text or parts, None if it has neither; what is else is JSON.
    """
    content = event.data.get("content")
    if content is None or isinstance(content, str) or is_parts(content):
        return content
    return compact_json(content)


def text_of(event: Event, name: str) -> str | None:
    """
    Return a member of an event's data; None if it is no text, or an empty one.
    """
    value = event.data.get(name)
    return value if isinstance(value, str) and value else None
