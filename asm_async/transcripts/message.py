"""
One message of a transcript, whichever provider it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias, cast

import attrs

from asm_async.conventions import Role
from asm_async.errors import ValidationError
from asm_async.values.event import Event
from asm_async.values.fields import Count, unexpected
from asm_async.values.json_values import JSONObject, JSONValue, normalise_json
from asm_async.values.value import Value


def is_parts(value: object) -> bool:
    """
    Return whether a value is a list of parts: of objects that have a ``type``.
    """
    return isinstance(value, list | tuple) and all(
        isinstance(part, Mapping)
        and isinstance(cast("Mapping[str, object]", part).get("type"), str)
        for part in cast("list[object]", value)
    )


def _content(value: object, name: str) -> object:
    if not (isinstance(value, str) or is_parts(value)):
        raise unexpected(name, "text or a list of objects with a type", value)
    return normalise_json(value, name)


def _input(value: object, name: str) -> object:
    if not isinstance(value, str | Mapping):
        raise unexpected(name, "an object or text", value)
    return normalise_json(cast("object", value), name)


@attrs.frozen(kw_only=True)
class Message(Value):
    """
    A message: a text, one tool call, or the result of one.

    A message of the assistant with a *tool_name* is a call; one of a tool is a result.
    Both have a *tool_call_id* and a *tool_name*.

    Raises:
        ValidationError: Naming the field that is wrong.
    """

    role: Role
    """
    The role of its author.
    """

    content: Annotated[Any, _content] | None = None
    """
    Text, or a list of parts, each an object with a ``type``; None of calls and results.
    """

    tool_call_id: str | None = None
    """
    The id that a call and its result share.
    """

    tool_name: str | None = None
    """
    The tool's name.
    """

    tool_input: Annotated[Any, _input] | None = None
    """
    Its input: an object, or text if the model wrote no JSON object.
    """

    tool_input_text: str | None = None
    """
    The exact text of it, if it differs from *tool_input* as JSON without spaces.
    """

    tool_output: JSONValue = None
    """
    Its output: any JSON value.
    """

    error_message: str | None = None
    """
    The error, if it failed.
    """

    is_error: bool = False
    """
    Whether it is the result of a call that failed, or was refused.
    """

    is_notice: bool = False
    """
    Whether it replaces a result: a person has not decided yet, or has refused.
    """

    is_partial: bool = False
    """
    Whether the text is the streamed part of an unfinished message.
    """

    message_id: str | None = None
    """
    The id of the provider's message that it is part of.
    """

    event_id: str | None = None
    """
    The message's event; the last one, if it was streamed.
    """

    sequence_number: Count = 0
    """
    That event's number; 0 if it has none yet.
    """

    run_id: str | None = None
    """
    The run that it was said in.
    """

    timestamp: datetime | None = None
    """
    When it was said.
    """

    metadata: JSONObject = attrs.field(factory=dict[str, Any])
    """
    The event's metadata; that of all pieces together, if it was streamed.
    """

    provider_data: JSONObject = attrs.field(factory=dict[str, Any])
    """
    What else a provider's message has, under the provider's name.
    """

    def __attrs_post_init__(self) -> None:
        """
        Check the fields, and that calls and results say which they are.
        """
        super().__attrs_post_init__()
        if self.role is Role.TOOL or self.tool_name is not None:
            for name in ("tool_call_id", "tool_name"):
                if getattr(self, name) is None:
                    raise ValidationError(
                        f"{name}: a tool call and its result need one"
                    )

    @property
    def is_call(self) -> bool:
        """
        Whether it is a tool call.
        """
        return self.role is not Role.TOOL and self.tool_name is not None

    @property
    def is_result(self) -> bool:
        """
        Whether it is the result of a tool call.
        """
        return self.role is Role.TOOL

    @property
    def is_speech(self) -> bool:
        """
        Whether it is the assistant's, and no tool call.
        """
        return self.role is Role.ASSISTANT and self.tool_name is None


Rule: TypeAlias = Callable[[Event], Message | None]
"""
The message of an event of an application's own type, or None.
"""


def are_joined(one: Message, following: Message) -> bool:
    """
    Return whether a message that directly follows another may be part of the same.
    """
    ids = {one.message_id, following.message_id} - {None}
    return one.run_id == following.run_id and len(ids) <= 1
