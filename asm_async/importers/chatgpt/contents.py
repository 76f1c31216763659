"""
What the contents of ChatGPT's messages say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from asm_async.importers.members import as_list, text_of
from asm_async.importers.records import NotUnderstoodError
from asm_async.transcripts.outputs import compact_json
from asm_async.transcripts.parts import plain_text

Content: TypeAlias = Mapping[str, Any]

SILENT = frozenset(
    {
        "user_editable_context",
        "model_editable_context",
        "reasoning_recap",
    }
)
"""
The types of contents that the page does not show as messages.
"""

THOUGHTS = "thoughts"
"""
The type of a model's reasoning.
"""

FAILED = "system_error"
"""
The type of a tool's failure.
"""

_SPOKEN = "audio_transcription"


def content_of(content: Content) -> Any:
    """
    Return a text, or a list of parts.

    Raises:
        NotUnderstoodError: If nothing is known of its type.
    """
    kind = text_of(content, "content_type")
    if "parts" in content and kind in {"", "text", "multimodal_text"}:
        return _of_parts(content.get("parts"))
    if kind in _TEXTS:
        return _TEXTS[kind](content)
    if kind == THOUGHTS:
        return None
    raise NotUnderstoodError(f"nothing is known of contents of type {kind!r}")


def _of_parts(parts: Any) -> Any:
    if not isinstance(parts, list):
        raise NotUnderstoodError("content.parts: expected a list")
    told = [_part(each) for each in as_list(cast("object", parts))]
    if all(part.get("type") == "text" for part in told):
        return "\n".join(part["text"] for part in told)
    return plain_text([part for part in told if part.get("text") != ""])


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        return {"type": "text", "text": compact_json(part)}
    members = cast("dict[str, Any]", part)
    kind = text_of(members, "content_type")
    if kind in {"text", _SPOKEN}:
        return {"type": "text", "text": text_of(members, "text")}
    return {"type": kind or "unknown", **members}


def _quote(content: Content) -> str:
    names = ("title", "url", "text", "snippet")
    return "\n".join(text for name in names if (text := text_of(content, name)))


def _shown(content: Content) -> str:
    return text_of(content, "result") or text_of(content, "summary")


def _failure(content: Content) -> str:
    name, text = text_of(content, "name"), text_of(content, "text")
    return f"{name}: {text}" if name and text else name or text


def _text(content: Content) -> str:
    return text_of(content, "text")


_TEXTS: Mapping[str, Callable[[Content], str]] = MappingProxyType(
    {
        "code": _text,
        "execution_output": _text,
        "citable_code_output": lambda content: text_of(content, "output_str"),
        "tether_quote": _quote,
        "sonic_webpage": _quote,
        "tether_browsing_code": _text,
        "tether_browsing_display": _shown,
        FAILED: _failure,
    }
)
