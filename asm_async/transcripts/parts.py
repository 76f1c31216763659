"""
The parts of a message's content in the forms of providers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

from asm_async.conventions import Role
from asm_async.transcripts.message import Message
from asm_async.transcripts.provider_messages import LeftOut

_TEXTS = frozenset({"text", "input_text", "output_text"})
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


class Form(StrEnum):
    """
    The form that a message has; the values are the keys of ``provider_data``.
    """

    CHAT_COMPLETIONS = "openai"
    RESPONSES = "openai_responses"
    ANTHROPIC = "anthropic"


# The parts that a form has beside texts and images. A type that no form is known to
# have is somebody's own, and passes through everywhere.
_OWN: Mapping[Form, frozenset[str]] = MappingProxyType(
    {
        Form.CHAT_COMPLETIONS: frozenset({"refusal", "input_audio", "file"}),
        Form.RESPONSES: frozenset({"refusal", "input_audio", "input_file"}),
        Form.ANTHROPIC: frozenset(
            {
                "bash_code_execution_tool_result",
                "code_execution_tool_result",
                "container_upload",
                "document",
                "mcp_tool_result",
                "mcp_tool_use",
                "redacted_thinking",
                "search_result",
                "server_tool_use",
                "text_editor_code_execution_tool_result",
                "thinking",
                "web_fetch_tool_result",
                "web_search_tool_result",
            }
        ),
    }
)
_KNOWN = frozenset[str]().union(*_OWN.values())


def text_of(part: Mapping[str, Any]) -> str | None:
    """
    Return the text of a part; None if it is no text.
    """
    text = part.get("text")
    return text if part.get("type") in _TEXTS and isinstance(text, str) else None


def plain_text(content: Any) -> Any:
    """
    Return the text of a single part that is nothing else, and any other content as is.
    """
    match content:
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
        case _:
            return content


def convert(
    parts: list[dict[str, Any]], form: Form, message: Message, left_out: LeftOut
) -> list[dict[str, Any]]:
    """
    Return the parts of a message in this form; what it has no place for is left out.
    """
    kept: list[dict[str, Any]] = []
    for part in parts:
        found = _converted(part, form, message, left_out)
        if found is None:
            left_out.add(message, f"a part of type {part['type']!r} has no place here")
        else:
            kept.append(found)
    return kept


def _converted(
    part: dict[str, Any], form: Form, message: Message, left_out: LeftOut
) -> dict[str, Any] | None:
    text = text_of(part)
    if text is not None:
        converted = {"type": _text_type(form, message), "text": text}
    elif url := image_url(part):
        converted = _IMAGES[form](url, _detail_of(part))
    else:
        kind = part["type"]
        is_foreign = kind in _KNOWN or kind in _IMAGE_TYPES.values()
        passes = kind in _OWN[form] or kind == _IMAGE_TYPES[form] or not is_foreign
        return deepcopy(part) if passes else None
    if converted["type"] == part["type"]:
        return deepcopy(part)
    kept = {*converted, "source", "image_url"}
    members = {**part, "detail": _detail_of(part)}
    if form is Form.CHAT_COMPLETIONS:
        # It stands within the image there.
        kept.add("detail")
    for name, value in members.items():
        if name not in kept and value not in (None, "", [], {}):
            left_out.add(message, f"{name!r} of a part has no place here")
    return converted


def _text_type(form: Form, message: Message) -> str:
    if form is not Form.RESPONSES:
        return "text"
    return "output_text" if message.role is Role.ASSISTANT else "input_text"


def image_url(part: Mapping[str, Any]) -> str | None:
    """
    Return where an image is, or the image itself as a ``data:`` URL.
    """
    image: Any = part.get("image_url")
    if part["type"] == "image":
        source: Any = part.get("source")
        within = cast("dict[str, Any]", source if isinstance(source, dict) else {})
        image = within.get("url")
        if within.get("type") == "base64":
            image = f"data:{within.get('media_type')};base64,{within.get('data')}"
    elif part["type"] not in _IMAGE_TYPES.values():
        return None
    found = (
        cast("dict[str, Any]", image).get("url") if isinstance(image, dict) else image
    )
    return found if isinstance(found, str) else None


def _detail_of(part: Mapping[str, Any]) -> Any:
    """
    Return how closely OpenAI's models shall look at an image; None if nobody said.
    """
    image: Any = part.get("image_url")
    within = cast("dict[str, Any]", image if isinstance(image, dict) else part)
    return within.get("detail")


def _chat_image(url: str, detail: Any) -> dict[str, Any]:
    image = {"url": url} if detail is None else {"url": url, "detail": detail}
    return {"type": "image_url", "image_url": image}


def _responses_image(url: str, detail: Any) -> dict[str, Any]:
    image = {"type": "input_image", "image_url": url}
    return image if detail is None else {**image, "detail": detail}


def _anthropic_image(url: str, _detail: Any) -> dict[str, Any]:
    source = {"type": "url", "url": url}
    if match := _DATA_URL.fullmatch(url):
        kind, data = match.groups()
        source = {"type": "base64", "media_type": kind, "data": data}
    return {"type": "image", "source": source}


_IMAGE_TYPES: Mapping[Form, str] = MappingProxyType(
    {
        Form.CHAT_COMPLETIONS: "image_url",
        Form.RESPONSES: "input_image",
        Form.ANTHROPIC: "image",
    }
)
_IMAGES: Mapping[Form, Callable[[str, Any], dict[str, Any]]] = MappingProxyType(
    {
        Form.CHAT_COMPLETIONS: _chat_image,
        Form.RESPONSES: _responses_image,
        Form.ANTHROPIC: _anthropic_image,
    }
)
