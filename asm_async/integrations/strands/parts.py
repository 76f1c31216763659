"""
From the blocks of a message of Strands to the parts of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

_ELSEWHERE = frozenset({"toolUse", "toolResult", "reasoningContent", "cachePoint"})


def parts_of(blocks: Iterable[dict[str, Any]]) -> Any:
    """
    Return what blocks say: text if it is that alone, else a list of parts.

    Calls and results have events of their own; reasoning and cache points say nothing.
    """
    parts: list[dict[str, Any]] = []
    for block in blocks:
        for kind, value in block.items():
            if kind not in _ELSEWHERE and value is not None:
                parts += _parts(kind, value)
    return _plain(parts)


def output_of(blocks: Iterable[dict[str, Any]]) -> Any:
    """
    Return what a tool gave: the text or the JSON that it is alone, or a list of parts.
    """
    contents = list(blocks)
    match contents:
        case []:
            return ""
        case [{"json": value, **more}] if not more:
            return value
        case _:
            return parts_of(contents) or ""


def text_in(output: Any) -> str:
    """
    Return the text of what a tool gave.
    """
    if isinstance(output, str):
        return output
    if not isinstance(output, list):
        return json.dumps(output)
    parts = cast("list[dict[str, object]]", output)
    return " ".join(str(part["text"]) for part in parts if "text" in part)


def _plain(parts: list[dict[str, Any]]) -> Any:
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def _parts(kind: str, value: Any) -> list[dict[str, Any]]:
    text = _text_of(kind, value)
    if text is not None:
        return [{"type": "text", "text": text}]
    match kind, value:
        case "image", {"format": form, "source": {"bytes": {"data": str(data)}}}:
            source = {"type": "base64", "media_type": f"image/{form}", "data": data}
            return [{"type": "image", "source": source}]
        case "image", {"source": {"location": {"uri": str(url)}}}:
            return [{"type": "image", "source": {"type": "url", "url": url}}]
        case _:
            # Prefixed, so that no provider's form takes it for its own.
            return [{"type": f"strands_{kind}", kind: value}]


def _text_of(kind: str, value: Any) -> str | None:
    match kind, value:
        case "text", str(text):
            return text
        case "json", _:
            return json.dumps(value)
        case "guardContent", {"text": {"text": str(text)}}:
            return text
        case "citationsContent", {"content": [*said]}:
            return "".join(str(each.get("text", "")) for each in said)
        case _:
            return None
