"""
From the messages of Claude's exports to the steps of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from asm_async.conventions import (
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.importers.conversation import Speaker, Step
from asm_async.importers.members import as_object, list_at, text_of
from asm_async.importers.names import time_of
from asm_async.importers.records import NotUnderstoodError, Place
from asm_async.transcripts.event_maker import EventMaker, mapping
from asm_async.transcripts.parts import plain_text

_FORM = "claude"
_HUMAN = "human"
_ASSISTANT = "assistant"
_SPEECH = frozenset({"text", "voice_note"})
# What the page shows in its own way, and the model has thought.
_UNSPOKEN = frozenset({"thinking", "redacted_thinking", "token_budget", "flag"})


def steps_of(
    messages: Iterable[tuple[str, Mapping[str, Any]]],
    place: Place,
    model: str | None,
) -> Iterator[Step]:
    """
    Yield the steps of a conversation.

    Args:
        messages: Its messages, each with its path.

        place: Where the conversation stands, with a message's share of the bytes.

        model: The model of the conversation.
    """
    for path, message in messages:
        sender = text_of(message, "sender")
        is_answer = sender == _ASSISTANT
        speaker = Speaker.ANSWER if is_answer else Speaker.OTHER
        yield Step(
            place=place,
            path=path,
            original=message,
            said=[
                text_of(message, "uuid"),
                sender,
                text_of(message, "text"),
                message.get("content"),
                message.get("attachments"),
            ],
            speaker=Speaker.PROMPT if sender == _HUMAN else speaker,
            add=partial(_add, message),
            record_name="empty",
            time=time_of(message.get("created_at")),
            text=_text_of(message) or None,
            model=model if is_answer else None,
        )


def _text_of(message: Mapping[str, Any]) -> str:
    blocks = [as_object(block) for block in list_at(message, "content")]
    texts = [text_of(each, "text") for each in blocks if each.get("type") in _SPEECH]
    return "\n\n".join(text for text in texts if text) or text_of(message, "text")


def _add(message: Mapping[str, Any], maker: EventMaker) -> None:
    sender = text_of(message, "sender")
    if sender == _HUMAN:
        _add_prompt(message, maker)
    elif sender == _ASSISTANT:
        _Answer(message, maker).add()
    else:
        raise NotUnderstoodError(f"sender: nothing is known of {sender!r}")


def _add_prompt(message: Mapping[str, Any], maker: EventMaker) -> None:
    text = _text_of(message)
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    parts += [_document(as_object(each)) for each in list_at(message, "attachments")]
    files = [as_object(each) for each in list_at(message, "files")]
    parts += [{**file, "type": "uploaded_file"} for file in files]
    if parts:
        maker.add(
            "message",
            message_sent,
            content=plain_text(parts),
            message_id=text_of(message, "uuid") or None,
        )


def _document(attachment: Mapping[str, Any]) -> dict[str, Any]:
    source = {
        "type": "text",
        "media_type": "text/plain",
        "data": text_of(attachment, "extracted_content"),
    }
    document = {"type": "document", "source": source}
    name = text_of(attachment, "file_name")
    return {**document, "title": name} if name else document


@attrs.define(eq=False)
class _Answer:
    """
    The blocks of one answer, in their order: texts, and calls with their results.
    """

    message: Mapping[str, Any]
    maker: EventMaker
    texts: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    open_calls: list[tuple[str, str]] = attrs.field(factory=list[tuple[str, str]])
    """
    The ids and tools of the calls that have no result yet.
    """

    def add(self) -> None:
        blocks = list_at(self.message, "content")
        unknown: list[str] = []
        for index, value in enumerate(blocks):
            block = mapping(value, f"content[{index}]")
            kind = text_of(block, "type")
            if kind in _SPEECH:
                if text := text_of(block, "text"):
                    self.texts.append({"type": "text", "text": text})
                continue
            self._say()
            if kind == "tool_use":
                self._call(block, index)
            elif kind == "tool_result":
                self._result(block, index)
            elif kind in _UNSPOKEN:
                self._received(None, own=block, form=_FORM)
            else:
                unknown.append(f"content[{index}] of type {kind!r}")
        if not blocks and (text := text_of(self.message, "text")):
            self.texts.append({"type": "text", "text": text})
        self._say()
        if unknown:
            places = ", ".join(unknown)
            raise NotUnderstoodError(f"nothing is known of {places}")

    def _say(self) -> None:
        if self.texts:
            self._received(plain_text(self.texts))
            self.texts = []

    def _received(self, content: Any, **more: Any) -> None:
        self.maker.add(
            "message",
            message_received,
            content=content,
            message_id=text_of(self.message, "uuid") or None,
            **more,
        )

    def _call(self, block: Mapping[str, Any], index: int) -> None:
        name = text_of(block, "name") or "unknown"
        # Exports have no ids of calls, or have them since they have integrations.
        call_id = text_of(block, "id") or f"{text_of(self.message, 'uuid')}-{index}"
        self.open_calls.append((call_id, name))
        self.maker.add(
            f"content[{index}]",
            tool_call_started,
            tool_call_id=call_id,
            tool_name=name,
            tool_input=dict(as_object(block.get("input"))),
            message_id=text_of(self.message, "uuid") or None,
        )

    def _result(self, block: Mapping[str, Any], index: int) -> None:
        given, name = text_of(block, "tool_use_id"), text_of(block, "name")
        fitting = [
            call
            for call in self.open_calls
            if (call[0] == given if given else name in {"", call[1]})
        ]
        if fitting:
            self.open_calls.remove(fitting[0])
        call_id, tool = fitting[0] if fitting else (given or f"result-{index}", name)
        output = block.get("content")
        if isinstance(output, list):
            output = plain_text([as_object(part) for part in list_at(block, "content")])
        common: dict[str, Any] = {
            "tool_call_id": call_id,
            "tool_name": tool or "unknown",
        }
        place = f"content[{index}]"
        if block.get("is_error") is True:
            message = output if isinstance(output, str) else "The tool failed."
            self.maker.add(
                place,
                tool_call_failed,
                error_message=message,
                tool_output=output,
                **common,
            )
        else:
            self.maker.add(place, tool_call_completed, tool_output=output, **common)
