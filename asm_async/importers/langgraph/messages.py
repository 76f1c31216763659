"""
LangChain's messages, as plain members, as the events of a conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard, cast

import attrs

from asm_async.conventions import (
    EventOptions,
    Role,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.importers.databases.values import is_list, is_object
from asm_async.importers.langgraph.values import Named, Packed, plain
from asm_async.importers.names import digest_of
from asm_async.importers.records import ORIGINAL
from asm_async.usage import token_usage_of
from asm_async.values.event import Event

_KINDS: Mapping[str, str] = {
    "human": "human",
    "user": "human",
    "ai": "ai",
    "assistant": "ai",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "chat": "chat",
}
_CALLS = frozenset({"function_call", "tool_call", "tool_use"})
_UNKNOWN = "unknown"


@attrs.frozen
class Message:
    """
    One message of a state.
    """

    kind: str
    """
    Who says it, as LangChain has it: human, ai, system, tool or chat.
    """

    members: Mapping[str, Any]
    """
    What it has, as JSON.
    """

    @property
    def id(self) -> str | None:
        """
        Its own id, which the state keeps while its content may change.
        """
        return _text(self.members, "id")

    @property
    def digest(self) -> str:
        """
        A name for what it says.
        """
        said = {name: self.members.get(name) for name in _SAID}
        return digest_of({"kind": self.kind, **said})

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        """
        The tools that it calls.
        """
        calls = self.members.get("tool_calls")
        if self.kind != "ai" or not is_list(calls):
            return []
        return [_call_of(each) for each in calls if is_object(each)]

    @property
    def usage(self) -> dict[str, int]:
        """
        The tokens that it reports, as a run counts them; empty if it reports none.

        Raises:
            ValidationError: If the report makes no sense.
        """
        return token_usage_of(self.members.get("usage_metadata") or {})

    @property
    def model(self) -> str | None:
        """
        Which model it is of.
        """
        report = self._report
        return _text(report, "model_name") or _text(report, "model")

    @property
    def provider(self) -> str | None:
        """
        The provider of the model.
        """
        return _text(self._report, "model_provider")

    @property
    def stop_reason(self) -> str | None:
        """
        Why the model stopped.
        """
        report = self._report
        return _text(report, "finish_reason") or _text(report, "stop_reason")

    @property
    def _report(self) -> Mapping[str, Any]:
        report = self.members.get("response_metadata")
        return report if is_object(report) else {}


_SAID = ("content", "tool_calls", "tool_call_id", "status")


def message_of(value: Any) -> Message | None:
    """
    Return the message that a member of a state is; None if it is none.

    Raises:
        NotUnderstoodError: If it cannot be read.
    """
    opened = value.opened() if isinstance(value, Packed) else value
    name = ""
    if isinstance(opened, Named):
        name = opened.name.rpartition(".")[2].removesuffix("Chunk")
        opened = opened.payload
    if not isinstance(opened, Mapping) or "content" not in opened:
        return None
    members = cast("Mapping[str, Any]", opened)
    told = name.removesuffix("Message") if name else members.get("role", "")
    kind = _KINDS.get(str(members.get("type", "")).removesuffix("MessageChunk").lower())
    kind = kind or _KINDS.get(str(told).lower())
    return None if kind is None else Message(kind, plain(members))


def events_of_message(
    session_id: str,
    message: Message,
    options: EventOptions,
    tools: dict[str, str],
) -> list[Event]:
    """
    Return the events of a message: its text, and each call of a tool.

    Args:
        session_id: The session.

        message: The message.

        options: The id of the first event, and what all have in common.

        tools: By the ids of calls, the tools that they are of; those of this message
            are added.

    Raises:
        ValidationError: If it cannot be stored.
    """
    original = {"type": message.kind, "data": dict(message.members)}
    first: EventOptions = {**options, "data": {ORIGINAL: original}}
    if message.kind == "tool":
        return [_result(session_id, message, first, tools)]
    if message.kind != "ai":
        return [
            message_sent(
                session_id=session_id,
                content=_content(message),
                role=_role(message),
                message_id=message.id,
                **first,
            )
        ]
    received = message_received(
        session_id=session_id,
        content=_content(message) or (None if message.calls else ""),
        message_id=message.id,
        model=message.model,
        stop_reason=message.stop_reason,
        **first,
    )
    return [received, *_calls(session_id, message, options, tools)]


def _calls(
    session_id: str, message: Message, options: EventOptions, tools: dict[str, str]
) -> list[Event]:
    events: list[Event] = []
    for number, call in enumerate(message.calls, 1):
        event_id = f"{options.get('id')}.{number}"
        call_id = _text(call, "id") or event_id
        tools[call_id] = _text(call, "name") or _UNKNOWN
        arguments = call.get("args")
        its: EventOptions = {**options, "id": event_id}
        event = tool_call_started(
            session_id=session_id,
            tool_call_id=call_id,
            tool_name=tools[call_id],
            tool_input=arguments if _is_input(arguments) else None,
            message_id=message.id,
            **its,
        )
        events.append(event)
    return events


def _result(
    session_id: str, message: Message, options: EventOptions, tools: dict[str, str]
) -> Event:
    call_id = _text(message.members, "tool_call_id") or ""
    name = _text(message.members, "name") or tools.get(call_id) or _UNKNOWN
    content = _content(message)
    if message.members.get("status") == "error":
        text = content if isinstance(content, str) else ""
        return tool_call_failed(
            session_id=session_id,
            tool_call_id=call_id,
            tool_name=name,
            error_message=text or "The tool failed.",
            tool_output=content,
            **options,
        )
    return tool_call_completed(
        session_id=session_id,
        tool_call_id=call_id,
        tool_name=name,
        tool_output=content,
        **options,
    )


def _call_of(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return a call as LangChain has it, also one in OpenAI's form.
    """
    function = call.get("function")
    if not is_object(function):
        return call
    return {
        "id": call.get("id"),
        "name": function.get("name"),
        "args": function.get("arguments"),
    }


def _content(message: Message) -> Any:
    """
    Return what a message says: text, or parts; its calls have events of their own.
    """
    content = message.members["content"]
    if not is_list(content):
        return content if isinstance(content, str) else ""
    parts = [
        part if is_object(part) else {"type": "text", "text": str(part)}
        for part in content
    ]
    if message.calls:
        return [part for part in parts if part.get("type") not in _CALLS]
    return parts


def _is_input(value: object) -> TypeGuard[dict[str, Any] | str]:
    return isinstance(value, dict | str)


def _role(message: Message) -> str:
    if message.kind == "chat":
        role = str(message.members.get("role"))
        return role if role in {Role.USER, Role.SYSTEM, Role.DEVELOPER} else Role.USER
    return Role.SYSTEM if message.kind == "system" else Role.USER


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) and value else None
