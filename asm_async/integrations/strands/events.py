"""
From a message of Strands to the events that say what it says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

import attrs

from asm_async.conventions import (
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.errors import ValidationError
from asm_async.integrations.strands.parts import output_of, parts_of, text_in
from asm_async.integrations.strands.snapshot import SaidMessage
from asm_async.values.event import Event

OWN_TYPE = "strands.message"
"""
A message that says nothing for a transcript, such as one of reasoning alone.
"""

CONTEXT_TYPE = "strands.context_message"
"""
A message that was put before what was said already, such as a summary of that.
"""

OWN_IDS = "strands."
"""
What the ids of all these events begin with.
"""


@attrs.frozen
class EventWriter:
    """
    Makes the events of messages; the same message of one epoch makes the same events.
    """

    session_id: str

    taken_at: datetime

    epoch: int
    """
    How far the session's log was when what was hidden of it last was hidden.
    """

    run_id: str | None

    tool_names: Mapping[str, str]

    def said(self, message: SaidMessage) -> list[Event]:
        """
        Return the events of a message that was said: one, or more with tool calls.
        """
        with suppress(ValidationError, LookupError, TypeError, AttributeError):
            if steps := self._steps(message):
                return [
                    build(**self._options(message, number), **members)
                    for number, (build, members) in enumerate(steps, start=1)
                ]
        return self.kept(message, OWN_TYPE)

    def kept(self, message: SaidMessage, event_type: str) -> list[Event]:
        """
        Return the event of a message that no transcript shall tell.
        """
        options = self._options(message, 1)
        if event_type == CONTEXT_TYPE:
            options["id"] = event_id(message, self.epoch, 0)
        try:
            return [Event.new(type=event_type, **options)]
        except ValidationError as error:
            # It has what is no JSON here, such as NaN; the snapshot keeps it whole.
            options["data"] = {"unreadable": str(error)}
            return [Event.new(type=event_type, **options)]

    def _options(self, message: SaidMessage, number: int) -> dict[str, Any]:
        return {
            "id": event_id(message, self.epoch, number),
            "session_id": self.session_id,
            "run_id": self.run_id,
            "correlation_id": message.key,
            "timestamp": self.taken_at,
            "data": {"original": message.members} if number == 1 else {},
        }

    def _steps(self, message: SaidMessage) -> list[tuple[Callable[..., Event], Any]]:
        blocks: list[dict[str, Any]] = list(message.members["content"])
        steps: list[tuple[Callable[..., Event], Any]] = []
        steps += [
            self._result(each["toolResult"]) for each in _of(blocks, "toolResult")
        ]
        parts = parts_of(blocks)
        said = {"content": parts, "message_id": message.key}
        if message.members["role"] == "user":
            return [*steps, (message_sent, said)] if parts else steps
        if parts:
            steps.append((message_received, said))
        return steps + [
            self._call(each["toolUse"], message.key) for each in _of(blocks, "toolUse")
        ]

    def _result(self, result: dict[str, Any]) -> tuple[Callable[..., Event], Any]:
        call_id = result["toolUseId"]
        output = output_of(result.get("content") or [])
        members = {
            "tool_call_id": call_id,
            "tool_name": self.tool_names.get(call_id, "unknown"),
        }
        if result.get("status") != "error":
            return tool_call_completed, {**members, "tool_output": output}
        told = {} if isinstance(output, str) else {"tool_output": output}
        members["error_message"] = text_in(output)
        return tool_call_failed, {**members, **told}

    @staticmethod
    def _call(
        call: dict[str, Any], message_id: str
    ) -> tuple[Callable[..., Event], dict[str, Any]]:
        given = call.get("input")
        as_text = given if isinstance(given, str) else json.dumps(given)
        return tool_call_started, {
            "tool_call_id": call["toolUseId"],
            "tool_name": call["name"],
            "tool_input": given if isinstance(given, dict) else as_text,
            "message_id": message_id,
        }


def event_id(message: SaidMessage, epoch: int, number: int) -> str:
    """
    Return the id of one of the events of a message.
    """
    return f"{message_mark(message)}.{epoch}.{number}"


def message_mark(message: SaidMessage) -> str:
    """
    Return what the ids of a message's events begin with.
    """
    return f"{OWN_IDS}{message.key}.{message.digest}"


def names_of_tools(messages: Iterable[SaidMessage]) -> dict[str, str]:
    """
    Return the name of each call's tool: results name the call alone.
    """
    names: dict[str, str] = {}
    for message in messages:
        with suppress(LookupError, TypeError, AttributeError):
            for block in _of(message.members["content"], "toolUse"):
                names[block["toolUse"]["toolUseId"]] = block["toolUse"]["name"]
    return names


def _of(blocks: Iterable[Any], kind: str) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", each) for each in blocks if kind in each]
