"""
To OpenAI's Chat Completions, which many others take as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from asm_async.transcripts.message import Message
from asm_async.transcripts.outputs import input_text, marked_output
from asm_async.transcripts.parts import Form, convert
from asm_async.transcripts.provider_messages import LeftOut, ProviderMessages
from asm_async.transcripts.units import Unit, units_of

_FORM = Form.CHAT_COMPLETIONS


def to_openai(messages: Sequence[Message]) -> ProviderMessages:
    """
    Return *messages* in the form of Chat Completions.
    """
    left_out = LeftOut(messages)
    told: list[dict[str, Any]] = []
    for unit in units_of(messages):
        if message := _said(unit, left_out):
            told.append(message)
        told += [_result(result, left_out) for result in unit.results]
    return ProviderMessages(told, left_out=left_out.texts)


def _said(unit: Unit, left_out: LeftOut) -> dict[str, Any] | None:
    content: Any = None
    own: dict[str, Any] = {}
    for message in unit.said:
        if message.content is not None:
            content = _content(message.content, message, left_out)
        own |= deepcopy(left_out.data_for(message, _FORM))
    calls = [_call(call, left_out) for call in unit.calls]
    if content is None and not calls and not own:
        return None
    told = {"role": str(unit.messages[0].role), "content": content}
    return {**told, **({"tool_calls": calls} if calls else {}), **own}


def _content(content: Any, message: Message, left_out: LeftOut) -> Any:
    if isinstance(content, str):
        return content
    # A list of nothing is no content.
    return convert(content, _FORM, message, left_out) or None


def _call(call: Message, left_out: LeftOut) -> dict[str, Any]:
    own = deepcopy(left_out.data_for(call, _FORM))
    kind = own.pop("type", "function")
    arguments = "arguments" if kind == "function" else "input"
    return {
        "id": call.tool_call_id,
        "type": kind,
        kind: {"name": call.tool_name, arguments: input_text(call)},
        **own,
    }


def _result(result: Message, left_out: LeftOut) -> dict[str, Any]:
    output = marked_output(result)
    told = output if isinstance(output, str) else _content(output, result, left_out)
    return {
        "role": "tool",
        "tool_call_id": result.tool_call_id,
        "content": told or "",
        **deepcopy(left_out.data_for(result, _FORM)),
    }
