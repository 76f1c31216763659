"""
From OpenAI's messages and items to events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from asm_async.conventions import (
    Role,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_started,
)
from asm_async.transcripts.event_maker import (
    EventMaker,
    ImportOptions,
    Members,
    content_at,
    mapping,
    mappings,
    text_at,
    without,
)
from asm_async.transcripts.outputs import input_of_text
from asm_async.transcripts.parts import Form
from asm_async.values import fields
from asm_async.values.event import Event

_ROLES = tuple(role.value for role in Role)
_SPEAKERS = tuple(role.value for role in Role if role is not Role.TOOL)


def events_from_openai(
    messages: Iterable[object],
    *,
    session_id: str,
    **options: Unpack[ImportOptions],
) -> list[Event]:
    """
    Return the events that say what messages of Chat Completions say.

    Members that the layout of events has no place for are kept, and come back from
    ``to_openai``, so that the messages come back equal; a missing *content* is null.

    Args:
        messages: Messages, as plain objects or the SDK's, of the roles of today.

        session_id: The session that the events are of.

        options: The common fields of the events.

    Raises:
        ValidationError: Naming the message, and the member in it, that is wrong.
    """
    maker = EventMaker(session_id, options)
    for place, message in mappings(messages, "messages"):
        add_message(maker, place, message)
    return maker.events


def add_message(maker: EventMaker, place: str, message: Members) -> None:
    """
    Make the events of one message of Chat Completions.

    Raises:
        ValidationError: Naming the member that is wrong.
    """
    role = fields.one_of(message.get("role"), f"{place}['role']", _ROLES)
    if role == Role.ASSISTANT:
        _assistant(maker, place, message)
    elif role == Role.TOOL:
        _tool(maker, place, message)
    else:
        maker.add(
            place,
            message_sent,
            content=content_at(message, "content", place),
            role=role,
            own=without(message, "role", "content"),
            form=Form.CHAT_COMPLETIONS,
        )


def _assistant(maker: EventMaker, place: str, message: Members) -> None:
    content, calls = message.get("content"), message.get("tool_calls")
    own = without(message, "role", "content", *(["tool_calls"] if calls else []))
    message_id = maker.next_id()
    first_id: str | None = message_id
    if content is not None or own or not calls:
        maker.add(
            place,
            message_received,
            event_id=first_id,
            content=None if content is None else content_at(message, "content", place),
            message_id=message_id,
            own=own,
            form=Form.CHAT_COMPLETIONS,
        )
        first_id = None
    for call_place, call in mappings(calls or [], f"{place}['tool_calls']"):
        _call(maker, call_place, call, message_id, first_id)
        first_id = None


def _call(
    maker: EventMaker, place: str, call: Members, message_id: str, event_id: str | None
) -> None:
    kind = call.get("type", "function")
    body = call.get(kind) if isinstance(kind, str) else None
    within = f"{place}[{kind!r}]"
    function = mapping(body, within)
    is_function = kind == "function"
    text = text_at(function, "arguments" if is_function else "input", within)
    own = without(call, "id", kind, *(["type"] if is_function else []))
    call_id, name = text_at(call, "id", place), text_at(function, "name", within)
    maker.name_call(call_id, name)
    maker.add(
        place,
        tool_call_started,
        event_id=event_id,
        tool_call_id=call_id,
        tool_name=name,
        message_id=message_id,
        own=own,
        form=Form.CHAT_COMPLETIONS,
        **(input_of_text(text) if is_function else {"tool_input": text}),
    )


def _tool(maker: EventMaker, place: str, message: Members) -> None:
    call_id = text_at(message, "tool_call_id", place)
    maker.add(
        place,
        tool_call_completed,
        tool_call_id=call_id,
        tool_name=maker.name_of(call_id, message.get("name")),
        tool_output=content_at(message, "content", place),
        own=without(message, "role", "content", "tool_call_id"),
        form=Form.CHAT_COMPLETIONS,
    )


def events_from_responses(
    items: Iterable[object],
    *,
    session_id: str,
    **options: Unpack[ImportOptions],
) -> list[Event]:
    """
    Return the events that say what items of the Responses interface say.

    An item that is neither a message nor a function call nor the output of one, such as
    the model's reasoning, becomes a message without content, whose ``provider_data``
    has the item; ``to_responses`` returns it as it was.

    Args:
        items: Items of an input or an output, as plain objects or the SDK's.

        session_id: The session that the events are of.

        options: The common fields of the events.

    Raises:
        ValidationError: Naming the item, and the member in it, that is wrong.
    """
    maker = EventMaker(session_id, options)
    for place, item in mappings(items, "items"):
        add_item(maker, place, item)
    return maker.events


def add_item(maker: EventMaker, place: str, item: Members) -> None:
    """
    Make the event of one item of the Responses interface.

    Raises:
        ValidationError: Naming the member that is wrong.
    """
    match item.get("type", "message"):
        case "message":
            _message_item(maker, place, item)
        case "function_call":
            _call_item(maker, place, item)
        case "function_call_output":
            _output_item(maker, place, item)
        case _:
            maker.add(
                place, message_received, content=None, own=item, form=Form.RESPONSES
            )


def _message_item(maker: EventMaker, place: str, item: Members) -> None:
    role = fields.one_of(item.get("role"), f"{place}['role']", _SPEAKERS)
    maker.add(
        place,
        message_received if role == Role.ASSISTANT else message_sent,
        content=content_at(item, "content", place),
        role=role,
        own=without(item, "role", "content"),
        form=Form.RESPONSES,
    )


def _call_item(maker: EventMaker, place: str, item: Members) -> None:
    call_id, name = text_at(item, "call_id", place), text_at(item, "name", place)
    maker.name_call(call_id, name)
    maker.add(
        place,
        tool_call_started,
        tool_call_id=call_id,
        tool_name=name,
        own=without(item, "type", "call_id", "name", "arguments"),
        form=Form.RESPONSES,
        **input_of_text(text_at(item, "arguments", place)),
    )


def _output_item(maker: EventMaker, place: str, item: Members) -> None:
    call_id = text_at(item, "call_id", place)
    maker.add(
        place,
        tool_call_completed,
        tool_call_id=call_id,
        tool_name=maker.name_of(call_id),
        tool_output=content_at(item, "output", place),
        own=without(item, "type", "call_id", "output"),
        form=Form.RESPONSES,
    )
