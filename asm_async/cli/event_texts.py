"""
What an event says, on one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from asm_async.conventions import EventFamily
from asm_async.transcripts.message import is_parts
from asm_async.values.event import EVENTS_RETRACTED, Event, EventType

_MAX_CHARACTERS = 200


def summary_of(event: Event) -> str:
    """
    Return what an event says, cut off where that is long.
    """
    text = _text(event)
    # A line is looked through, and ends far before a message of a megabyte does.
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _text(event: Event) -> str:
    data = event.data
    if not isinstance(event.type, EventType):
        if event.type == EVENTS_RETRACTED:
            return f"events {data['first']} to {data['last']} are hidden"
        return text_of(data or "")
    match event.type.family:
        case EventFamily.MESSAGE:
            return _message(data)
        case EventFamily.TOOL | EventFamily.APPROVAL:
            return _tool_call(data)
        case _:
            reason = data.get("error_message") or data.get("reason")
            return text_of(reason if isinstance(reason, str) else data or "")


def _message(data: Mapping[str, Any]) -> str:
    said = text_of(data.get("content", data.get("delta", "")))
    role = data.get("role")
    return f"{role}: {said}" if isinstance(role, str) else said


def _tool_call(data: Mapping[str, Any]) -> str:
    name = data.get("tool_name")
    parts = [name if isinstance(name, str) else "a tool"]
    for member, before in (("tool_input", ""), ("tool_output", "-> ")):
        if data.get(member) is not None:
            parts.append(before + text_of(data[member]))
    parts += filter(None, (text_of(data.get("error_message")), data.get("reason")))
    return " ".join(parts)


def text_of(value: object) -> str:
    """
    Return a text as it is, parts of a message as text, and other values as JSON.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value and is_parts(value):
        parts = cast("list[dict[str, Any]]", value)
        return "\n".join(_part(part) for part in parts)
    return json.dumps(value, ensure_ascii=False)


def _part(part: Mapping[str, Any]) -> str:
    """
    Return the text of a part, or what sort of part it is: an image is long.
    """
    text = part.get("text")
    return text if isinstance(text, str) else f"[{part['type']}]"
