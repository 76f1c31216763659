"""
From messages and items to the steps of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from asm_async.conventions import Role
from asm_async.importers.conversation import Speaker, Step
from asm_async.importers.members import as_object, list_at, object_at, text_of
from asm_async.importers.message_lists.listed import Listed, Members, message_time_of
from asm_async.importers.records import NotUnderstoodError, Place
from asm_async.transcripts.event_maker import EventMaker
from asm_async.transcripts.from_openai import add_item, add_message
from asm_async.transcripts.outputs import compact_json
from asm_async.transcripts.parts import text_of as text_of_part

# What of a message makes another one of it; the rest may differ from copy to copy.
_SAID = (
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "type",
    "call_id",
    "arguments",
    "input",
    "output",
    "action",
    "summary",
    "encrypted_content",
    "value",
)
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_OUTPUTS = ("function_call_output", "custom_tool_call_output")


class MessageSteps:
    """
    Makes the steps of one conversation, and knows which calls wait for a result.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []
        self._count = 0

    def of_listed(self, place: Place, found: Listed) -> Iterator[Step]:
        """
        Yield the steps of a conversation with its answer.
        """
        asked = len(found.messages) - found.answer_count
        last = len(found.messages) - 1
        for index, (path, message) in enumerate(found.messages):
            step = self.step(place, path, message, found.model)
            if index >= asked:
                step = attrs.evolve(step, time=step.time or found.answered_at)
            if index == last and found.answer_count:
                step = attrs.evolve(step, usage=found.usage, cost_usd=found.cost_usd)
            yield step

    def step(
        self, place: Place, path: str, message: Members, model: str | None
    ) -> Step:
        """
        Return the step of a message or an item.
        """
        plain = self._complete(message)
        speaker = _speaker_of(plain)
        self._count += 1
        is_of_model = speaker in {Speaker.ANSWER, Speaker.CALL}
        return Step(
            place=place,
            path=path,
            original=message,
            said={
                name: message[name] for name in _SAID if message.get(name) not in _EMPTY
            },
            speaker=speaker,
            add=partial(_add, plain, self._names_of_results(plain)),
            time=message_time_of(message),
            text=_text_in(plain),
            model=(text_of(message, "model") or model) if is_of_model else None,
        )

    def _complete(self, message: Members) -> Members:
        """
        Return a message with what older and other programs leave out.
        """
        if isinstance(message.get("type"), str):
            return self._complete_item(message)
        role = message.get("role")
        if role == Role.ASSISTANT:
            return self._complete_answer(message)
        if role in {Role.TOOL, "function"}:
            call_id = text_of(message, "tool_call_id")
            if not call_id:
                call_id = self._waiting[0] if self._waiting else f"call-{self._count}"
            if call_id in self._waiting:
                self._waiting.remove(call_id)
            plain = {**message, "role": "tool", "tool_call_id": call_id}
            if not isinstance(plain.get("content"), str | list):
                plain["content"] = _as_text(plain.get("content"))
            return plain
        return message

    def _complete_answer(self, message: Members) -> Members:
        calls = [as_object(call) for call in list_at(message, "tool_calls")]
        plain = dict(message)
        if legacy := object_at(message, "function_call"):
            calls = [{"type": "function", "function": legacy}]
            del plain["function_call"]
        if calls:
            whole = [self._complete_call(call, i) for i, call in enumerate(calls)]
            plain["tool_calls"] = whole
            self._waiting = [call["id"] for call in whole]
            self._names |= {
                call["id"]: text_of(object_at(call, "function"), "name")
                for call in whole
                if "function" in call
            }
        return plain

    def _complete_call(self, call: Members, index: int) -> dict[str, Any]:
        function = object_at(call, "function")
        whole = {**call, "id": text_of(call, "id") or f"call-{self._count}-{index}"}
        arguments = function.get("arguments")
        if function and not isinstance(arguments, str):
            given = compact_json(arguments if arguments is not None else {})
            whole["function"] = {**function, "arguments": given}
        return whole

    def _complete_item(self, item: Members) -> Members:
        kind, call_id = text_of(item, "type"), text_of(item, "call_id")
        if kind == "function_call":
            self._names[call_id] = text_of(item, "name")
        elif kind in _OUTPUTS and not isinstance(item.get("output"), str | list):
            return {**item, "output": _as_text(item.get("output"))}
        return item

    def _names_of_results(self, plain: Members) -> dict[str, str]:
        call_id = text_of(plain, "tool_call_id") or text_of(plain, "call_id")
        is_result = plain.get("role") == "tool" or plain.get("type") in _OUTPUTS
        name = self._names.pop(call_id, "") if is_result else ""
        return {call_id: name} if name else {}


def _add(message: Members, names: Mapping[str, str], maker: EventMaker) -> None:
    for call_id, name in names.items():
        maker.name_call(call_id, name)
    if isinstance(message.get("type"), str):
        add_item(maker, "item", message)
    elif "role" in message:
        add_message(maker, "message", message)
    else:
        members = ", ".join(map(repr, message))
        raise NotUnderstoodError(f"it is no message: it has {members or 'nothing'}")


def _speaker_of(message: Members) -> Speaker:
    kind, role = text_of(message, "type"), text_of(message, "role")
    if kind in _OUTPUTS:
        return Speaker.OTHER
    if kind not in {"", "message"}:
        return Speaker.CALL
    if role == Role.USER:
        return Speaker.PROMPT
    if role == Role.ASSISTANT:
        return Speaker.CALL if list_at(message, "tool_calls") else Speaker.ANSWER
    return Speaker.OTHER


def _text_in(message: Members) -> str | None:
    content = message.get("content")
    if isinstance(content, str):
        return content or None
    parts = [as_object(part) for part in list_at(message, "content")]
    return "\n".join(t for part in parts if (t := text_of_part(part))) or None


def _as_text(value: Any) -> str:
    return "" if value is None else compact_json(value)
