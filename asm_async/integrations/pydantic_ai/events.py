"""
The events that tell of the framework's messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from pydantic_ai.conversation_store import ConversationEntry
from pydantic_ai.messages import ModelResponse

from asm_async.conventions import (
    Role,
    message_received,
    message_sent,
    token_usage_updated,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.integrations.ids import safe_id
from asm_async.integrations.pydantic_ai.parts import (
    content_of,
    error_text,
    file_part,
    text_part,
    tool_input_of,
)
from asm_async.integrations.pydantic_ai.records import fitting_text
from asm_async.usage import token_usage_of
from asm_async.values.event import Event

MESSAGE = "pydantic_ai.message"
"""
The type of the event of a message that says nothing which another type is for.
"""

BRANCHED = "pydantic_ai.branched"
"""
The type of the event of a conversation that goes on from an earlier entry.
"""

_TEXT_KINDS = frozenset({"text", "thinking", "file", "speech"})


def events_of(
    entry: ConversationEntry,
    original: Mapping[str, Any],
    *,
    session_id: str,
    run_id: str | None,
    timestamp: datetime,
) -> list[Event]:
    """
    Return the events of an entry's message; the first has the whole entry with it.

    Args:
        entry: The entry.

        original: The same as JSON.

        session_id: The session they are of.

        run_id: The run they are of.

        timestamp: When the message was sent.
    """
    message: dict[str, Any] = original["message"]
    provider = fitting_text(message.get("provider_name"))
    shared: dict[str, Any] = {
        "session_id": session_id,
        "run_id": run_id,
        "timestamp": timestamp,
        "provider": provider,
    }
    options = _options(entry.id, original, shared)
    if isinstance(entry.message, ModelResponse):
        events = list(_response_events(entry.id, message, options))
    else:
        events = list(_request_events(message, options))
    return events or [Event.new(type=MESSAGE, **next(options))]


def usage_of(message: Mapping[str, Any]) -> dict[str, int]:
    """
    Return the token usage of a response, given as JSON; nothing if it has none.
    """
    usage: dict[str, Any] = message.get("usage") or {}
    reasoning = usage.get("output_reasoning_tokens")
    found = token_usage_of({"reasoning_tokens": reasoning or None, **usage})
    return found if any(found.values()) else {}


def _options(
    entry_id: str, original: Mapping[str, Any], shared: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """
    Yield the options of one event after the other.
    """
    number = 0
    data: dict[str, Any] = {"original": original}
    while True:
        id_ = safe_id("entry", entry_id, str(number))
        yield {**shared, "id": id_, "data": data}
        number, data = number + 1, {}


def _request_events(
    message: Mapping[str, Any], options: Iterator[dict[str, Any]]
) -> Iterator[Event]:
    for part in message["parts"]:
        match part["part_kind"]:
            case "system-prompt":
                yield message_sent(
                    content=part["content"], role=Role.SYSTEM, **next(options)
                )
            case "user-prompt":
                yield message_sent(content=content_of(part["content"]), **next(options))
            case "retry-feedback":
                yield message_sent(content=error_text(part["content"]), **next(options))
            case "retry-prompt" if part.get("tool_name") is None:
                yield message_sent(content=error_text(part["content"]), **next(options))
            case "retry-prompt":
                yield _failed_call({**part, "outcome": "retried"}, next(options))
            case "tool-return":
                yield _tool_result(part, next(options))
            case "speech" if part.get("transcript"):
                yield message_sent(content=part["transcript"], **next(options))
            case _:
                # What is no one's words stands in the original alone.
                pass


def _response_events(
    entry_id: str, message: Mapping[str, Any], options: Iterator[dict[str, Any]]
) -> Iterator[Event]:
    parts: list[dict[str, Any]] = message["parts"]
    content = [
        said
        for part in parts
        if part["part_kind"] in _TEXT_KINDS and (said := _said(part)) is not None
    ]
    if content:
        is_text = len(content) == 1 and content[0]["type"] == "text"
        yield message_received(
            content=content[0]["text"] if is_text else content,
            message_id=entry_id,
            model=message.get("model_name"),
            stop_reason=message.get("finish_reason"),
            **next(options),
        )
    for part in parts:
        match part["part_kind"]:
            case "tool-call" | "builtin-tool-call":
                yield tool_call_started(
                    tool_call_id=part["tool_call_id"],
                    tool_name=part["tool_name"],
                    message_id=entry_id,
                    **tool_input_of(part.get("args")),
                    **next(options),
                )
            case "builtin-tool-return":
                yield _tool_result(part, next(options))
            case _:
                pass
    if usage := usage_of(message):
        counts = cast("dict[str, Any]", usage)
        yield token_usage_updated(
            model=message.get("model_name"), **counts, **next(options)
        )


def _said(part: Mapping[str, Any]) -> dict[str, Any] | None:
    match part["part_kind"]:
        case "thinking":
            signature = part.get("signature")
            more = {} if signature is None else {"signature": signature}
            return {"type": "thinking", "thinking": part["content"], **more}
        case "file":
            return file_part(part["content"])
        case "speech":
            text = part.get("transcript")
            return text_part(text) if text else None
        case _:
            return text_part(part["content"]) if part["content"] else None


def _tool_result(part: Mapping[str, Any], options: dict[str, Any]) -> Event:
    if part.get("outcome", "success") != "success":
        return _failed_call(part, options)
    return tool_call_completed(
        tool_call_id=part["tool_call_id"],
        tool_name=part["tool_name"],
        tool_output=part["content"],
        **options,
    )


def _failed_call(part: Mapping[str, Any], options: dict[str, Any]) -> Event:
    return tool_call_failed(
        tool_call_id=part["tool_call_id"],
        tool_name=part["tool_name"],
        error_message=error_text(part["content"]),
        error_code=part["outcome"],
        tool_output=part["content"],
        **options,
    )


def time_of(entry: ConversationEntry, default: datetime) -> datetime:
    """
    Return when a message was sent; *default* if it does not say.
    """
    message = entry.message
    times = [message.timestamp, *(getattr(p, "timestamp", None) for p in message.parts)]
    found = next((each for each in times if isinstance(each, datetime)), default)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
