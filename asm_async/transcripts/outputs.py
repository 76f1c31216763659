"""
What goes into tools and comes out of them, as models write and read it.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, cast

from asm_async.transcripts.message import Message, is_parts
from asm_async.values.json_values import normalise_json_object


def compact_json(value: object) -> str:
    """
    Write a JSON value as models do: without spaces, characters as they are.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def input_text(call: Message) -> str:
    """
    Return a call's arguments as the text that the model wrote.
    """
    if call.tool_input_text is not None:
        return call.tool_input_text
    if isinstance(call.tool_input, str):
        return call.tool_input
    return compact_json(call.tool_input or {})


def input_of_text(text: str) -> dict[str, Any]:
    """
    Return the members ``tool_input`` and ``tool_input_text`` for a model's arguments.

    What is no JSON object that a store can hold stays the text that it is.
    """
    try:
        parsed = normalise_json_object(json.loads(text), "tool_input")
    except (ValueError, RecursionError):
        return {"tool_input": text}
    is_compact = compact_json(parsed) == text
    return {"tool_input": parsed, "tool_input_text": None if is_compact else text}


def output_text(result: Message) -> str | list[dict[str, Any]]:
    """
    Return what a model is told of a result: text, or a list of parts.
    """
    output = result.tool_output
    if isinstance(output, str):
        return output
    if output and is_parts(output):
        return cast("list[dict[str, Any]]", deepcopy(output))
    if output is None and result.error_message is not None:
        return result.error_message
    return compact_json(output)


def marked_output(result: Message) -> str | list[dict[str, Any]]:
    """
    Return the same for interfaces that have no place to say that a call failed.
    """
    said = output_text(result)
    if result.tool_output is None and result.error_message is not None:
        return f"Error: {said}"
    return said
