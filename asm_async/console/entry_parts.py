"""
The content of a message as parts that are displayed: text, images, and anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from asm_async.console.cuts import Cutter, members
from asm_async.console.entry_answers import Cut, ImagePart, Part
from asm_async.transcripts.parts import image_url, text_of

MAX_IMAGE_LENGTH = 262_144
"""
The longest image, as a ``data:`` URL, that is displayed within a list.
"""

_IMAGE_DATA = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,[A-Za-z0-9+/=\s]*")


def parts_of(content: Any, cutter: Cutter) -> list[Part]:
    """
    Return the parts of a message's content: text, a list of parts, or any JSON.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [_text("text", cutter.text(content))]
    if not isinstance(content, list):
        data: object = content
        return [{"type": "data", "label": "content", "text": cutter.json(data)}]
    return [
        part for each in cast("list[object]", content) for part in _parts(each, cutter)
    ]


def _parts(part: object, cutter: Cutter) -> Iterator[Part]:
    if isinstance(part, str):
        yield _text("text", cutter.text(part))
        return
    own = members(part)
    kind = own.get("type")
    if not isinstance(kind, str):
        yield {"type": "data", "label": "part", "text": cutter.json(part)}
    elif (text := text_of(own)) is not None:
        yield _text("text", cutter.text(text))
    elif kind == "refusal" and isinstance(refusal := own.get("refusal"), str):
        yield _text("refusal", cutter.text(refusal))
    elif kind in {"thinking", "reasoning"} and (thought := _thought(own)):
        yield _text("reasoning", cutter.text(thought))
    elif (url := image_url(own)) is not None:
        yield _image(url, cutter)
    else:
        yield {"type": "data", "label": kind, "text": cutter.json(part)}


def _text(kind: Literal["text", "reasoning", "refusal"], text: Cut) -> Part:
    return {"type": kind, "text": text}


def _thought(part: Mapping[str, Any]) -> str:
    """
    Return what a model says that it thought, as Anthropic's and OpenAI's parts have it.
    """
    for name in ("thinking", "text", "reasoning"):
        if isinstance(text := part.get(name), str):
            return text
    summary = part.get("summary")
    if not isinstance(summary, list):
        return ""
    steps = cast("list[object]", summary)
    texts = [members(step).get("text") for step in steps]
    return "\n\n".join(text for text in texts if isinstance(text, str))


def _image(url: str, cutter: Cutter) -> ImagePart:
    if not url.startswith("data:"):
        return _image_part(url=url)
    size = len(url)
    match = _IMAGE_DATA.fullmatch(url)
    if match is None:
        # Of another kind, which is not displayed: vector graphics are documents.
        return _image_part(size=size)
    is_too_long = cutter.max_length is not None and size > MAX_IMAGE_LENGTH
    if is_too_long:
        cutter.has_cut = True
    data_url = None if is_too_long else url
    return _image_part(media_type=match[1], data_url=data_url, size=size)


def _image_part(
    *,
    media_type: str | None = None,
    data_url: str | None = None,
    url: str | None = None,
    size: int = 0,
) -> ImagePart:
    return {
        "type": "image",
        "media_type": media_type,
        "data_url": data_url,
        "url": url,
        "bytes": size,
    }
