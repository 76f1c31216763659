"""
To Anthropic's Messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from asm_async.conventions import Role
from asm_async.transcripts.message import Message
from asm_async.transcripts.outputs import output_text
from asm_async.transcripts.parts import Form, convert, plain_text, text_of
from asm_async.transcripts.provider_messages import LeftOut, ProviderMessages
from asm_async.transcripts.units import Unit, units_of

_FORM = Form.ANTHROPIC


def to_anthropic(messages: Sequence[Message]) -> ProviderMessages:
    """
    Return *messages* as Anthropic takes them, with the system's beside them.
    """
    left_out = LeftOut(messages)
    rules: list[Any] = []
    told: list[dict[str, Any]] = []
    for unit in units_of(messages):
        first = unit.messages[0]
        if first.role in {Role.SYSTEM, Role.DEVELOPER}:
            if told:
                left_out.add(first, "its place: the system speaks before all others")
            rules.append(_content(first.content, first, left_out))
            left_out.data_for(first, _FORM)
        elif unit.calls:
            told += _calls(unit, left_out)
        else:
            told += _said(unit, left_out)
    return ProviderMessages(told, system=_joined(rules), left_out=left_out.texts)


def _joined(rules: list[Any]) -> str | list[dict[str, Any]]:
    joined: Any = plain_text([block for rule in rules for block in _blocks(rule)])
    return joined or ""


def _said(unit: Unit, left_out: LeftOut) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for message in unit.said:
        own = deepcopy(left_out.data_for(message, _FORM))
        if content := _content(message.content, message, left_out):
            told.append({"role": str(message.role), "content": content, **own})
    return told


def _calls(unit: Unit, left_out: LeftOut) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    own: dict[str, Any] = {}
    for message in unit.said:
        own |= deepcopy(left_out.data_for(message, _FORM))
        blocks += _blocks(_content(message.content, message, left_out))
    blocks += [_call(call, left_out) for call in unit.calls]
    results = [_result(result, left_out) for result in unit.results]
    return [
        {"role": "assistant", "content": blocks, **own},
        {"role": "user", "content": results},
    ]


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content or []


def _content(content: Any, message: Message, left_out: LeftOut) -> Any:
    if content is None or isinstance(content, str):
        return content
    parts = convert(content, _FORM, message, left_out)
    # Anthropic refuses empty texts.
    return plain_text([part for part in parts if text_of(part) != ""])


def _call(call: Message, left_out: LeftOut) -> dict[str, Any]:
    given = deepcopy(call.tool_input)
    if isinstance(given, str):
        left_out.add(call, "that its input is no JSON object, but text")
        given = {"input": given}
    return {
        "type": "tool_use",
        "id": call.tool_call_id,
        "name": call.tool_name,
        "input": given or {},
        **deepcopy(left_out.data_for(call, _FORM)),
    }


def _result(result: Message, left_out: LeftOut) -> dict[str, Any]:
    return {
        "type": "tool_result",
        "tool_use_id": result.tool_call_id,
        "content": _content(output_text(result), result, left_out),
        **({"is_error": True} if result.is_error else {}),
        **deepcopy(left_out.data_for(result, _FORM)),
    }
