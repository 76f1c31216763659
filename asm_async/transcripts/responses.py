"""
To the items of OpenAI's Responses interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from asm_async.transcripts.message import Message
from asm_async.transcripts.outputs import input_text, marked_output
from asm_async.transcripts.parts import Form, convert
from asm_async.transcripts.provider_messages import LeftOut, ProviderMessages
from asm_async.transcripts.units import units_of

_FORM = Form.RESPONSES


def to_responses(messages: Sequence[Message]) -> ProviderMessages:
    """
    Return *messages* as the items of an input.
    """
    left_out = LeftOut(messages)
    items: list[dict[str, Any]] = []
    for unit in units_of(messages):
        for message in unit.said:
            items += _said(message, left_out)
        items += [_call(call, left_out) for call in unit.calls]
        items += [_result(result, left_out) for result in unit.results]
    return ProviderMessages(items, left_out=left_out.texts)


def _said(message: Message, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    own = deepcopy(left_out.data_for(message, _FORM))
    content = _content(message.content, message, left_out)
    if content is not None:
        yield {"role": str(message.role), "content": content, **own}
    elif own:
        # An item of another kind, such as the model's reasoning.
        yield own


def _content(content: Any, message: Message, left_out: LeftOut) -> Any:
    if content is None or isinstance(content, str):
        return content
    return convert(content, _FORM, message, left_out) or None


def _call(call: Message, left_out: LeftOut) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": call.tool_call_id,
        "name": call.tool_name,
        "arguments": input_text(call),
        **deepcopy(left_out.data_for(call, _FORM)),
    }


def _result(result: Message, left_out: LeftOut) -> dict[str, Any]:
    output = marked_output(result)
    told = output if isinstance(output, str) else _content(output, result, left_out)
    return {
        "type": "function_call_output",
        "call_id": result.tool_call_id,
        "output": told or "",
        **deepcopy(left_out.data_for(result, _FORM)),
    }
