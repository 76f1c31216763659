"""
The parts of the framework's messages, in the forms that transcripts know.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

PartDict: TypeAlias = dict[str, Any]

# What the model is told of a file by its address.
_BY_URL: Mapping[str, Callable[[str], PartDict]] = MappingProxyType(
    {
        "image-url": lambda url: {"type": "image_url", "image_url": {"url": url}},
        "document-url": lambda url: {
            "type": "document",
            "source": {"type": "url", "url": url},
        },
    }
)

# The files whose kind of part has a place for them.
_PDF = "application/pdf"


def content_of(content: Any) -> str | list[PartDict]:
    """
    Return what a prompt says, as text or as parts.

    Args:
        content: Text, or the framework's list of it, as JSON.
    """
    if isinstance(content, str):
        return content
    found = (_part_of(each) for each in content)
    return [part for part in found if part is not None]


def text_part(text: str) -> PartDict:
    """
    Return a part that is text.
    """
    return {"type": "text", "text": text}


def file_part(content: PartDict) -> PartDict:
    """
    Return a part that is a file: images and PDFs whole, of others what they are.

    Args:
        content: The framework's binary content, as JSON.
    """
    media_type = str(content["media_type"])
    is_image = media_type.startswith("image/")
    if not is_image and media_type != _PDF:
        known = {key: content.get(key) for key in ("media_type", "identifier")}
        return {"type": "pydantic_ai.binary", **known}
    # The framework writes the alphabet of URLs (RFC 4648, section 5).
    data = base64.b64encode(base64.urlsafe_b64decode(content["data"])).decode()
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "image" if is_image else "document", "source": source}


def error_text(content: Any) -> str:
    """
    Return what the model is told went wrong, as text.
    """
    if isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def tool_input_of(arguments: Any) -> dict[str, Any]:
    """
    Return the options of a call's builder that say what the tool was called with.

    Args:
        arguments: The model's arguments: an object, its JSON, or None.
    """
    if not isinstance(arguments, str):
        return {"tool_input": arguments}
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return {"tool_input": arguments}
    if not isinstance(parsed, dict):
        return {"tool_input": arguments}
    compact = json.dumps(parsed, ensure_ascii=False, separators=(",", ":"))
    is_compact = compact == arguments
    return {
        "tool_input": parsed,
        "tool_input_text": None if is_compact else arguments,
    }


def _part_of(content: Any) -> PartDict | None:
    if isinstance(content, str):
        return text_part(content)
    match kind := content.get("kind"):
        case "text-content" | "structured-content":
            return text_part(content["content"])
        case "binary":
            return file_part(content)
        case "cache-point":
            return None
        case _:
            by_url = _BY_URL.get(kind)
            own = {**content, "type": f"pydantic_ai.{kind}"}
            return own if by_url is None else by_url(content["url"])
