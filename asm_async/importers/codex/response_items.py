"""
From the items of a rollout, which are those of the Responses interface, to events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asm_async.conventions import (
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
    workspace_snapshot_taken,
)
from asm_async.importers.members import as_object, object_at, text_of
from asm_async.importers.records import NotUnderstoodError
from asm_async.transcripts.event_maker import EventMaker, Members, text_at, without
from asm_async.transcripts.from_openai import add_item
from asm_async.transcripts.outputs import compact_json
from asm_async.transcripts.parts import Form

# Items that the provider wants back as they are.
_OPAQUE = frozenset(
    {
        "reasoning",
        "web_search_call",
        "image_generation_call",
        "compaction",
        "compaction_summary",
        "context_compaction",
        "tool_search_call",
        "tool_search_output",
    }
)
_OUTPUTS = frozenset(
    {"function_call_output", "custom_tool_call_output", "mcp_tool_call_output"}
)
_SHELL = "local_shell"


def add_response_item(maker: EventMaker, item: Members) -> None:
    """
    Make the event of an item.

    Raises:
        NotUnderstoodError: If nothing is known of its type.

        ValidationError: If it has another form than its type has.
    """
    kind = text_of(item, "type") or "message"
    if kind in _OUTPUTS:
        _output(maker, item)
    elif kind == "custom_tool_call":
        _call(
            maker, item, text_at(item, "name", "item"), text_at(item, "input", "item")
        )
    elif kind == "local_shell_call":
        _call(maker, item, _SHELL, object_at(item, "action"))
    elif kind == "ghost_snapshot":
        commit = object_at(item, "ghost_commit")
        maker.add(
            "item",
            workspace_snapshot_taken,
            ref=text_at(commit, "id", "ghost_commit"),
            label="ghost",
            backend="git",
        )
    elif kind in _OPAQUE or kind in {"message", "function_call"}:
        add_item(maker, "item", _with_text(item))
    else:
        raise NotUnderstoodError(f"nothing is known of items of type {kind!r}")


def _with_text(item: Members) -> Members:
    """
    Return an item whose arguments are the text that other programs have parsed.
    """
    given = item.get("arguments")
    return {**item, "arguments": compact_json(given)} if as_object(given) else item


def _call(
    maker: EventMaker, item: Members, name: str, given: Mapping[str, Any] | str
) -> None:
    call_id = text_of(item, "call_id") or text_at(item, "id", "item")
    maker.name_call(call_id, name)
    maker.add(
        "item",
        tool_call_started,
        tool_call_id=call_id,
        tool_name=name,
        tool_input=given,
    )


def _output(maker: EventMaker, item: Members) -> None:
    call_id = text_at(item, "call_id", "item")
    output = item.get("output")
    # So it was before there was a text or a list of parts.
    members = as_object(output)
    has_failed = members.get("success") is False
    told = members.get("content", members) if members else output
    if not isinstance(told, str | list):
        told = compact_json(told)
    common: dict[str, Any] = {
        "tool_call_id": call_id,
        "tool_name": maker.name_of(call_id),
        "tool_output": told,
        "own": without(item, "type", "call_id", "output"),
        "form": Form.RESPONSES,
    }
    if has_failed:
        message = told if isinstance(told, str) else compact_json(item.get("output"))
        maker.add("item", tool_call_failed, error_message=message, **common)
    else:
        maker.add("item", tool_call_completed, **common)
