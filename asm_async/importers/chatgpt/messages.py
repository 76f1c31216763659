"""
From the messages of a branch to the steps of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import attrs

from asm_async.conventions import (
    Role,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.importers.chatgpt.assets import Assets
from asm_async.importers.chatgpt.contents import FAILED, SILENT, THOUGHTS, content_of
from asm_async.importers.chatgpt.tree import Node
from asm_async.importers.conversation import Aside, Speaker, Step
from asm_async.importers.members import as_list, as_object, object_at, text_of
from asm_async.importers.names import time_of
from asm_async.importers.records import NotUnderstoodError, Place
from asm_async.transcripts.event_maker import EventMaker
from asm_async.transcripts.outputs import input_of_text
from asm_async.transcripts.parts import text_of as text_of_part

KIND = "chatgpt"
"""
The kind of source, and the name of its own data in events.
"""

_EVERYBODY = "all"
_HIDDEN = "is_visually_hidden_from_conversation"
_ROLES = frozenset({"system", "user", "assistant", "tool"})


@attrs.frozen(eq=False)
class BranchMessage:
    """
    One message of the branch that is shown.
    """

    node: Node
    call: BranchMessage | None
    """
    The call before it that has no result yet.
    """

    @property
    def role(self) -> str:
        """
        The role of its author.
        """
        return text_of(object_at(self.node.message, "author"), "role")

    @property
    def author(self) -> str:
        """
        The name of its author, such as a tool's.
        """
        return text_of(object_at(self.node.message, "author"), "name")

    @property
    def recipient(self) -> str:
        """
        The tool that it is for; an empty text if it is for everybody.
        """
        recipient = text_of(self.node.message, "recipient")
        return "" if recipient == _EVERYBODY else recipient

    @property
    def id(self) -> str:
        """
        Its id.
        """
        return text_of(self.node.message, "id") or self.node.id

    @property
    def content(self) -> Mapping[str, Any]:
        """
        Its content.
        """
        return object_at(self.node.message, "content")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """
        What else ChatGPT says of it.
        """
        return object_at(self.node.message, "metadata")

    @property
    def said(self) -> list[Any]:
        """
        What makes another message of it if it changes.
        """
        return [self.id, self.role, self.author, self.recipient, self.content]

    @property
    def is_call(self) -> bool:
        """
        Whether it is the model's, and for a tool.
        """
        return self.role == Role.ASSISTANT and bool(self.recipient)

    @property
    def is_hidden(self) -> bool:
        """
        Whether ChatGPT does not show it as a message; calls and results always count.
        """
        if self.is_call or self.role == Role.TOOL:
            return False
        kind = text_of(self.content, "content_type")
        return self.metadata.get(_HIDDEN) is True or kind in SILENT

    @property
    def speaker(self) -> Speaker:
        """
        Who speaks.
        """
        if self.is_hidden or self.role not in {Role.USER, Role.ASSISTANT}:
            return Speaker.OTHER
        if self.role == Role.USER:
            return Speaker.PROMPT
        is_thought = text_of(self.content, "content_type") == THOUGHTS
        return Speaker.CALL if self.is_call or is_thought else Speaker.ANSWER


def steps_of(
    branch: list[Node], place: Place, path: str, assets: Assets
) -> Iterator[Step]:
    """
    Yield the steps of the branch that is shown.

    Args:
        branch: Its nodes.

        place: Where the conversation stands; a step takes its share of the bytes.

        path: Where it stands within the file.

        assets: The contents that come with the export.
    """
    share = attrs.evolve(place, byte_count=place.byte_count // max(len(branch), 1))
    call: BranchMessage | None = None
    for node in branch:
        if not node.message:
            continue
        message = BranchMessage(node, call)
        if message.is_call:
            call = message
        elif message.role == Role.TOOL:
            call = None
        yield _step_of(message, share, f"{path}.mapping.{node.id}", assets)


def asides_of(nodes: Iterator[Node], place: Place, path: str) -> Iterator[Aside]:
    """
    Yield the messages of the branches that are not shown.
    """
    for node in nodes:
        yield Aside(
            place=place,
            path=f"{path}.mapping.{node.id}",
            name="branch",
            original=node.record,
            said=BranchMessage(node, None).said,
            time=time_of(node.message.get("create_time")),
        )


def _step_of(message: BranchMessage, place: Place, path: str, assets: Assets) -> Step:
    metadata = message.metadata
    model = text_of(metadata, "model_slug") or None
    return Step(
        place=assets.place_of(message.node.message, place),
        path=path,
        original=message.node.record,
        said=message.said,
        speaker=message.speaker,
        record_name="hidden" if message.is_hidden else "empty",
        add=partial(_add, message, assets),
        time=time_of(message.node.message.get("create_time")),
        text=_plain_text_of(message),
        model=model if message.role == Role.ASSISTANT else None,
        attachments=partial(assets.attachments_of, message.node.message),
    )


def _plain_text_of(message: BranchMessage) -> str | None:
    try:
        content = content_of(message.content)
    except NotUnderstoodError:
        return None
    if isinstance(content, str):
        return content or None
    texts = [text_of_part(as_object(part)) for part in as_list(content)]
    return "\n".join(text for text in texts if text) or None


def _add(message: BranchMessage, assets: Assets, maker: EventMaker) -> None:
    content = content_of(message.content) if not message.is_hidden else None
    if message.role not in _ROLES:
        raise NotUnderstoodError(f"author.role: nothing is known of {message.role!r}")
    if message.role == Role.TOOL:
        _add_result(message, assets.with_keys(content), maker)
    elif message.is_call:
        _add_call(message, content, maker)
    elif message.is_hidden or content == "":
        return
    elif message.role == Role.ASSISTANT:
        maker.add(
            "message",
            message_received,
            content=assets.with_keys(content),
            message_id=message.id,
            model=text_of(message.metadata, "model_slug") or None,
            stop_reason=text_of(object_at(message.metadata, "finish_details"), "type")
            or None,
            own=message.content if content is None else None,
            form=KIND,
        )
    else:
        maker.add(
            "message",
            message_sent,
            content=assets.with_keys(content),
            role=message.role,
            message_id=message.id,
        )


def _add_call(message: BranchMessage, content: Any, maker: EventMaker) -> None:
    given: dict[str, Any] = {"tool_input": {"parts": content}}
    if isinstance(content, str):
        given = input_of_text(content)
    maker.add(
        "message",
        tool_call_started,
        tool_call_id=message.id,
        tool_name=message.recipient,
        message_id=message.id,
        **given,
    )


def _add_result(message: BranchMessage, content: Any, maker: EventMaker) -> None:
    # Further results of a call, such as the pages of a search, stand for themselves.
    call = message.call
    common: dict[str, Any] = {
        "tool_call_id": message.id if call is None else call.id,
        "tool_name": (message.author if call is None else call.recipient) or "unknown",
        "tool_output": content,
    }
    if text_of(message.content, "content_type") == FAILED:
        maker.add("message", tool_call_failed, error_message=content, **common)
    else:
        maker.add("message", tool_call_completed, **common)
