"""
LangChain's messages as the events of a conversation.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import attrs
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from asm_async.conventions import (
    Role,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.conventions.building import EventOptions
from asm_async.errors import ValidationError
from asm_async.integrations.langgraph.records import Record
from asm_async.usage import token_usage_of
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus

MESSAGE = "langgraph.message"
"""
The type of the event of a message that the conventions have no type for.
"""

_EPOCH = datetime.fromtimestamp(0, UTC)
_CALLS = frozenset({"function_call", "tool_call", "tool_use"})
_logger = logging.getLogger(__name__)


@attrs.frozen
class NewMessage:
    """
    A message that a checkpoint has and the one before it has not.
    """

    channel: str
    messages: Sequence[BaseMessage]
    """
    All messages of its list.
    """

    place: int
    digest: bytes

    @property
    def message(self) -> BaseMessage:
        """
        The message itself.
        """
        return self.messages[self.place]

    @property
    def tool_names(self) -> dict[str | None, str]:
        """
        By the ids of tool calls, the tools that the messages before it call.
        """
        return {
            call["id"]: call["name"]
            for message in self.messages[: self.place]
            if isinstance(message, AIMessage)
            for call in message.tool_calls
        }


def events_and_runs(
    session_id: str, record: Record, messages: Sequence[NewMessage]
) -> tuple[list[Event], list[Run]]:
    """
    Return the events of new messages, and a run for each that reports its tokens.

    The same checkpoint has the same events, with the same ids and times, however often
    it is put. What has no place in an event (a message of megabytes that JSON cannot
    say) is left out and logged: the checkpoint itself has it all the same.
    """
    events: list[Event] = []
    runs: list[Run] = []
    at = _time_of(record)
    for new in messages:
        try:
            run = _run(session_id, new, at)
            its = _events(session_id, record, new, at, None if run is None else run.id)
        except (ValidationError, ValueError, TypeError) as error:
            _logger.warning(
                "a message of checkpoint %s is not in its session: %s",
                record.id,
                type(error).__name__,
            )
            continue
        events += its
        runs += [] if run is None else [run]
    return events, runs


def _time_of(record: Record) -> datetime:
    try:
        at = datetime.fromisoformat(record.checkpoint["ts"])
    except (KeyError, TypeError, ValueError):
        # It must be the same each time.
        return _EPOCH
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _events(
    session_id: str, record: Record, new: NewMessage, at: datetime, run_id: str | None
) -> list[Event]:
    message = new.message
    # With the time: who puts other content under the same id shall not be refused.
    place = f"{record.id}\0{at}\0{new.channel}\0{new.place}\0".encode()
    event_id = f"lg.{hashlib.blake2b(place + new.digest, digest_size=16).hexdigest()}"
    options: EventOptions = {
        "id": event_id,
        "timestamp": at,
        "run_id": run_id,
        "correlation_id": record.id,
    }
    original = {"type": message.type, "data": message.model_dump(mode="json")}
    first: EventOptions = {**options, "data": {"original": original}}
    match message:
        case AIMessage():
            received = message_received(
                session_id=session_id,
                content=_content(message) or (None if message.tool_calls else ""),
                message_id=message.id or None,
                model=_model(message),
                stop_reason=_text(message.response_metadata, "finish_reason")
                or _text(message.response_metadata, "stop_reason"),
                **first,
            )
            return [received, *_calls(session_id, message, options)]
        case ToolMessage():
            return [_result(session_id, new, message, first)]
        case HumanMessage() | SystemMessage() | ChatMessage() if role := _role(message):
            sent = message_sent(
                session_id=session_id,
                content=_content(message),
                role=role,
                message_id=message.id or None,
                **first,
            )
            return [sent]
        case _:
            return [Event.new(type=MESSAGE, session_id=session_id, **first)]


def _calls(session_id: str, message: AIMessage, options: EventOptions) -> list[Event]:
    events: list[Event] = []
    for number, call in enumerate(message.tool_calls, 1):
        event_id = f"{options.get('id')}.{number}"
        its: EventOptions = {**options, "id": event_id}
        started = tool_call_started(
            session_id=session_id,
            tool_call_id=call["id"] or event_id,
            tool_name=call["name"] or "unknown",
            tool_input=call["args"],
            message_id=message.id or None,
            **its,
        )
        events.append(started)
    return events


def _result(
    session_id: str, new: NewMessage, message: ToolMessage, options: EventOptions
) -> Event:
    call_id = message.tool_call_id
    name = message.name or new.tool_names.get(call_id) or "unknown"
    if message.status == "error":
        return tool_call_failed(
            session_id=session_id,
            tool_call_id=call_id,
            tool_name=name,
            error_message=str(message.text) or "The tool failed.",
            tool_output=_content(message),
            **options,
        )
    return tool_call_completed(
        session_id=session_id,
        tool_call_id=call_id,
        tool_name=name,
        tool_output=_content(message),
        **options,
    )


def _run(session_id: str, new: NewMessage, at: datetime) -> Run | None:
    message = new.message
    if not isinstance(message, AIMessage) or not message.usage_metadata:
        return None
    usage = token_usage_of(message.usage_metadata)
    if not usage:
        return None
    # One answer counts once, on however many branches it stands.
    answer = f"{session_id}\0".encode() + new.digest
    model = _model(message)
    return Run(
        id=f"lg.{hashlib.blake2b(answer, digest_size=16).hexdigest()}",
        session_id=session_id,
        status=RunStatus.COMPLETED,
        started_at=at,
        ended_at=at,
        provider=_text(message.response_metadata, "model_provider"),
        provider_metadata={} if model is None else {"model": model},
        token_usage=usage,
        turn_count=1,
    )


def _model(message: AIMessage) -> str | None:
    metadata = message.response_metadata
    return _text(metadata, "model_name") or _text(metadata, "model")


def _text(metadata: dict[str, Any], name: str) -> str | None:
    value = metadata.get(name)
    return value if isinstance(value, str) and value else None


def _role(message: HumanMessage | SystemMessage | ChatMessage) -> Role | None:
    if isinstance(message, SystemMessage):
        return Role.SYSTEM
    if isinstance(message, HumanMessage):
        return Role.USER
    known = {role.value for role in Role if role is not Role.TOOL}
    return Role(message.role) if message.role in known else None


def _content(message: BaseMessage) -> Any:
    """
    Return what a message says: text, or parts; its calls have events of their own.
    """
    content = cast("str | list[str | dict[str, Any]]", message.content)
    if isinstance(content, str):
        return content
    parts = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    if isinstance(message, AIMessage) and message.tool_calls:
        return [part for part in parts if part.get("type") not in _CALLS]
    return parts
