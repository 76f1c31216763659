"""
From Anthropic's messages to events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack, cast

from asm_async.conventions import (
    Role,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
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
from asm_async.transcripts.parts import Form, plain_text, text_of
from asm_async.values import fields
from asm_async.values.event import Event


def events_from_anthropic(
    messages: Iterable[object],
    *,
    session_id: str,
    system: str | Iterable[object] | None = None,
    **options: Unpack[ImportOptions],
) -> list[Event]:
    """
    Return the events that say what Anthropic's messages say.

    A single block that is nothing but text is that text. In a message of the assistant
    the calls come last, in one of the user the results come first: that is where
    ``to_anthropic`` puts them.

    Args:
        messages: Messages as plain objects or the SDK's.

        session_id: The session that the events are of.

        system: The system prompt: text, or a list of blocks.

        options: The common fields of the events.

    Raises:
        ValidationError: Naming the message, and the member in it, that is wrong.
    """
    maker = EventMaker(session_id, options)
    if system:
        rules = {"system": system if isinstance(system, str) else list(system)}
        content = plain_text(content_at(rules, "system", "arguments"))
        maker.add("system", message_sent, content=content, role=Role.SYSTEM)
    for place, message in mappings(messages, "messages"):
        roles = (Role.USER.value, Role.ASSISTANT.value)
        role = fields.one_of(message.get("role"), f"{place}['role']", roles)
        content = content_at(message, "content", place)
        own = without(message, "role", "content")
        if role == Role.USER:
            _user(maker, place, content, own)
        else:
            _assistant(maker, place, content, own)
    return maker.events


def _user(maker: EventMaker, place: str, content: Any, own: Members) -> None:
    results, said = _divided(content, "tool_result")
    for block in results:
        _result(maker, f"{place}['content']", block)
    if said or own or not results:
        maker.add(
            place, message_sent, content=plain_text(said), own=own, form=Form.ANTHROPIC
        )


def _assistant(maker: EventMaker, place: str, content: Any, own: Members) -> None:
    calls, said = _divided(content, "tool_use")
    message_id = maker.next_id()
    event_id: str | None = message_id
    if said or own or not calls:
        maker.add(
            place,
            message_received,
            event_id=event_id,
            content=plain_text(said),
            message_id=message_id,
            own=own,
            form=Form.ANTHROPIC,
        )
        event_id = None
    for block in calls:
        within = f"{place}['content']"
        call_id, name = text_at(block, "id", within), text_at(block, "name", within)
        maker.name_call(call_id, name)
        maker.add(
            within,
            tool_call_started,
            event_id=event_id,
            tool_call_id=call_id,
            tool_name=name,
            tool_input=mapping(block.get("input"), f"{within}['input']"),
            message_id=message_id,
            own=without(block, "type", "id", "name", "input"),
            form=Form.ANTHROPIC,
        )
        event_id = None


def _result(maker: EventMaker, place: str, block: Members) -> None:
    call_id = text_at(block, "tool_use_id", place)
    # A result without content is one that says nothing.
    output = plain_text(content_at({"content": "", **block}, "content", place))
    own = without(block, "type", "tool_use_id", "content", "is_error")
    common: dict[str, Any] = {
        "tool_call_id": call_id,
        "tool_name": maker.name_of(call_id),
        "own": own,
        "form": Form.ANTHROPIC,
    }
    if not block.get("is_error"):
        maker.add(place, tool_call_completed, tool_output=output, **common)
    elif isinstance(output, str):
        maker.add(place, tool_call_failed, error_message=output, **common)
    else:
        texts = " ".join(text for part in output if (text := text_of(part)))
        maker.add(
            place, tool_call_failed, error_message=texts, tool_output=output, **common
        )


def _divided(content: Any, kind: str) -> tuple[list[Members], Any]:
    """
    Return the blocks of one *kind*, and what else there is.
    """
    if isinstance(content, str):
        return [], content
    blocks = cast("list[Members]", content)
    others = [block for block in blocks if block["type"] != kind]
    return [block for block in blocks if block["type"] == kind], others
