"""
One line of a rollout, in the form of today whatever Codex wrote it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import attrs

from asm_async.importers.lines import Line
from asm_async.importers.members import as_object, list_at, text_of
from asm_async.importers.names import digest_of

_DIGEST_LENGTH = 12
_UUID_WITH_TIME = 7

# What stood on lines of its own before there were envelopes.
_BARE_ITEMS = frozenset(
    {
        "message",
        "reasoning",
        "local_shell_call",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "web_search_call",
    }
)

# What Codex says to the model in the name of the user.
_CONTEXT = re.compile(
    r"\s*(?:# AGENTS\.md|</?(?:environment_context|user_instructions|user_action"
    r"|user_shell_command|turn_aborted|permissions|collaboration_mode|skills?"
    r"|subagent_notification|INSTRUCTIONS)\b)"
)


@attrs.frozen(eq=False)
class RolloutLine:
    """
    What a line holds, and the name that its events have.
    """

    original: Mapping[str, Any]
    name: str
    kind: str
    """
    The type of the line, such as ``response_item``.
    """

    payload: Mapping[str, Any]


def rollout_line(line: Line) -> RolloutLine:
    """
    Return what a line holds.

    Its name is its number and the beginning of its digest: equal lines are not one, and
    a copy of a file has the names of the file.

    Raises:
        NotUnderstoodError: If it holds no JSON object.
    """
    original = line.json_object()
    name = f"{line.place.number}-{digest_of(original)[:_DIGEST_LENGTH]}"
    kind, payload = text_of(original, "type"), original.get("payload")
    if isinstance(payload, dict):
        return RolloutLine(original, name, kind, cast("dict[str, Any]", payload))
    if kind in _BARE_ITEMS:
        return RolloutLine(original, name, "response_item", original)
    if "record_type" in original:
        return RolloutLine(original, name, "state", {})
    if not kind and {"id", "timestamp"} <= original.keys():
        return RolloutLine(original, name, "session_meta", original)
    return RolloutLine(original, name, "", {})


def prompt_of(line: RolloutLine) -> str:
    """
    Return the text that a person gave; an empty one if the line holds none.
    """
    item = line.payload
    if line.kind != "response_item" or item.get("type", "message") != "message":
        return ""
    if item.get("role") != "user":
        return ""
    texts = [text_of(as_object(part), "text") for part in list_at(item, "content")]
    text = text_of(item, "content") or "\n".join(each for each in texts if each)
    return "" if _CONTEXT.match(text) else text


def made_at(name: str) -> datetime | None:
    """
    Return when an id was made, if it is a UUIDv7 (RFC 9562, section 5.7).
    """
    try:
        made = uuid.UUID(name)
    except ValueError:
        return None
    if made.version != _UUID_WITH_TIME:
        return None
    return datetime.fromtimestamp((made.int >> 80) / 1_000, UTC)
