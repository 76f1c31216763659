"""
From items of the SDK to events, and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from asm_async.conventions import (
    EventOptions,
    Role,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_started,
)
from asm_async.errors import ValidationError
from asm_async.integrations.ids import safe_id
from asm_async.transcripts.outputs import input_of_text
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.ids import new_event_id
from asm_async.values.json_values import normalise_json
from asm_async.values.not_json import OR_DEFAULT

AGENT_ID = "openai-agents"
"""
The agent of sessions of the SDK unless another is named.
"""

ITEM = "openai.item"
"""
The type of the event of an item that is neither a message nor about a function call.
"""

ORIGINAL = "original"
"""
The member of an event's data that is the item, whole.
"""

ITEM_TYPES = frozenset(
    {
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_RECEIVED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_COMPLETED,
        ITEM,
    }
)
"""
The types that the events of items have.
"""

UNKNOWN_TOOL = "unknown"
"""
The tool of an output whose call is not among the items that came with it.
"""


def events_of(
    items: Sequence[object],
    *,
    session_id: str,
    run_id: str | None = None,
    event_ids: Sequence[str] | None = None,
    tools: dict[str, str] | None = None,
) -> list[Event]:
    """
    Return an event for each item, of the type that says what the item says.

    Args:
        items: What the SDK adds to a session: JSON objects.

        session_id: The session that the events are of.

        run_id: The run in which they happened, if it is known.

        event_ids: The ids of the events; new ones unless given.

        tools: By the ids of calls that came before, the tools that they are of; those
            of these items are added.

    Raises:
        TypeError: If an item is no JSON value, naming what in it is none.
    """
    events: list[Event] = []
    if tools is None:
        tools = {}
    for index, item in enumerate(items):
        event_id = new_event_id() if event_ids is None else event_ids[index]
        options: EventOptions = {"id": event_id, "data": {ORIGINAL: item}}
        if run_id is not None:
            options["run_id"] = run_id
        try:
            events.append(_event_of(item, session_id, options, tools))
        except ValidationError:
            # Named as the caller knows it, not as a member of an event.
            try:
                normalise_json(item, f"items[{index}]")
            except ValidationError as no_json:
                raise TypeError(str(no_json).replace(OR_DEFAULT, "")) from None
            raise
    return events


def stored_id(session_id: str) -> str:
    """
    Return the id under which the store has a session of the SDK: the same if it can be.

    What is empty, longer than 255 characters, or has a NUL, is stored as
    :func:`~asm_async.integrations.ids.safe_id` has it.
    """
    try:
        return fields.text(session_id, "session_id")
    except ValidationError:
        return safe_id(AGENT_ID, session_id)


def is_item(event: Event) -> bool:
    """
    Return whether an event is that of an item.
    """
    return event.type in ITEM_TYPES and ORIGINAL in event.data


def item_of(event: Event) -> Any:
    """
    Return the item of an event that is that of one.
    """
    return event.data[ORIGINAL]


def _event_of(
    item: object, session_id: str, options: EventOptions, tools: dict[str, str]
) -> Event:
    if isinstance(item, Mapping):
        try:
            said = _said(cast("Mapping[str, Any]", item), session_id, options, tools)
        except (KeyError, TypeError, ValidationError):
            # It is not what its type says, and is kept as what it is.
            said = None
        if said is not None:
            return said
    return Event.new(type=ITEM, session_id=session_id, **options)


def _said(
    item: Mapping[str, Any],
    session_id: str,
    options: EventOptions,
    tools: dict[str, str],
) -> Event | None:
    """
    Return the event of a message, a function call or its output; None of all else.
    """
    match item.get("type", "message"):
        case "message":
            role = item["role"]
            build = message_received if role == Role.ASSISTANT else message_sent
            return build(
                session_id=session_id,
                content=item["content"],
                role=role,
                message_id=item.get("id"),
                **options,
            )
        case "function_call":
            tools[item["call_id"]] = item["name"]
            return tool_call_started(
                session_id=session_id,
                tool_call_id=item["call_id"],
                tool_name=item["name"],
                **input_of_text(item["arguments"]),
                **options,
            )
        case "function_call_output":
            return tool_call_completed(
                session_id=session_id,
                tool_call_id=item["call_id"],
                tool_name=tools.get(item["call_id"], UNKNOWN_TOOL),
                tool_output=item["output"],
                **options,
            )
        case _:
            return None
