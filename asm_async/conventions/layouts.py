"""
The layout of each type's data: the one table that builders and warnings obey.

Nothing here refuses an event. A store keeps whatever an event says; these are the
members under which readers, transcripts among them, look for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.token_usage import TOKEN_PARTS


class Role(StrEnum):
    """
    The author of a message.
    """

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@attrs.frozen
class Kind:
    """
    The kinds of values of an event's data.
    """

    words: str
    """
    Its name, in the reference and in warnings.
    """

    rule: fields.FieldRule
    """
    Accepts a value, or raises ``ValidationError``.
    """

    takes_none: bool = False
    """
    Whether null is such a value, and not the same as no member at all.
    """


@attrs.frozen
class Member:
    """
    One member of an event's data.
    """

    name: str
    """
    Its key.
    """

    kind: Kind
    """
    The kind of its value.
    """

    is_required: bool = False
    """
    Whether readers rely on it.
    """


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise fields.unexpected(name, "text", value)
    return value


def _object(value: object, name: str) -> object:
    if not isinstance(value, Mapping):
        raise fields.unexpected(name, "an object", value)
    return cast("object", value)


def _content(value: object, name: str) -> object:
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        raise fields.unexpected(name, "text or a list of parts", value)
    return fields.tuple_of(cast("object", value), name, _object)


def _received(value: object, name: str) -> object:
    return fields.optional(value, name, _content)


def _objects_by_provider(value: object, name: str) -> object:
    return fields.mapping_of(value, name, _text, _object)


def _input(value: object, name: str) -> object:
    return value if isinstance(value, str) else _object(value, name)


def _role(value: object, name: str) -> str:
    return fields.one_of(value, name, _SPEAKERS)


def _anything(value: object, _name: str) -> object:
    return value


# Tools answer by events of their own.
_SPEAKERS = tuple(role.value for role in Role if role is not Role.TOOL)

_TEXT = Kind("text", _text)
_COUNT = Kind("count", fields.count)
_AMOUNT = Kind("number >= 0", fields.amount)
_OBJECT = Kind("object", _object)
_ANYTHING = Kind("anything", _anything, takes_none=True)
_CONTENT = Kind("text or list of parts", _content)
_RECEIVED = Kind("text, list of parts or null", _received, takes_none=True)
_INPUT = Kind("object or text", _input)
_ROLE = Kind(f"{', '.join(_SPEAKERS[:-1])} or {_SPEAKERS[-1]}", _role)
_BY_PROVIDER = Kind("object of objects", _objects_by_provider)


def _required(**kinds: Kind) -> tuple[Member, ...]:
    return tuple(Member(name, kind, is_required=True) for name, kind in kinds.items())


def _optional(**kinds: Kind) -> tuple[Member, ...]:
    return tuple(Member(name, kind) for name, kind in kinds.items())


_REASON = _optional(reason=_TEXT)
_ERROR = (
    *_required(error_message=_TEXT),
    *_optional(error_code=_TEXT, details=_OBJECT),
)
_TOOL = _required(tool_call_id=_TEXT, tool_name=_TEXT)
_TOOL_INPUT = _optional(tool_input=_INPUT, tool_input_text=_TEXT)
_PROVIDER_DATA = _optional(provider_data=_BY_PROVIDER)

LAYOUTS: Mapping[EventType, tuple[Member, ...]] = MappingProxyType(
    {
        EventType.SESSION_CREATED: (),
        EventType.SESSION_STARTED: (),
        EventType.SESSION_PAUSED: _REASON,
        EventType.SESSION_RESUMED: _REASON,
        EventType.SESSION_COMPLETED: _REASON,
        EventType.SESSION_FAILED: _ERROR,
        EventType.SESSION_CANCELLED: _REASON,
        EventType.RUN_STARTED: _optional(model=_TEXT, provider_session_id=_TEXT),
        EventType.RUN_COMPLETED: _optional(
            stop_reason=_TEXT, output=_ANYTHING, token_usage=_OBJECT, cost_usd=_AMOUNT
        ),
        EventType.RUN_FAILED: _ERROR,
        EventType.RUN_CANCELLED: _REASON,
        EventType.RUN_TIMEOUT: _optional(reason=_TEXT, timeout_seconds=_AMOUNT),
        EventType.MESSAGE_SENT: (
            *_required(content=_CONTENT),
            *_optional(role=_ROLE, message_id=_TEXT),
            *_PROVIDER_DATA,
        ),
        EventType.MESSAGE_RECEIVED: (
            *_required(content=_RECEIVED),
            *_optional(role=_ROLE, message_id=_TEXT, model=_TEXT, stop_reason=_TEXT),
            *_PROVIDER_DATA,
        ),
        EventType.MESSAGE_STREAMED: (
            *_required(delta=_TEXT),
            *_optional(message_id=_TEXT),
        ),
        EventType.TOOL_CALL_STARTED: (
            *_TOOL,
            *_TOOL_INPUT,
            *_optional(message_id=_TEXT),
            *_PROVIDER_DATA,
        ),
        EventType.TOOL_CALL_COMPLETED: (
            *_TOOL,
            *_required(tool_output=_ANYTHING),
            *_TOOL_INPUT,
            *_optional(duration_ms=_AMOUNT),
            *_PROVIDER_DATA,
        ),
        EventType.TOOL_CALL_FAILED: (
            *_TOOL,
            *_required(error_message=_TEXT),
            *_optional(error_code=_TEXT, tool_output=_ANYTHING),
            *_TOOL_INPUT,
            *_optional(duration_ms=_AMOUNT),
            *_PROVIDER_DATA,
        ),
        EventType.ERROR_OCCURRED: _ERROR,
        EventType.ERROR_RECOVERED: _optional(error_message=_TEXT, error_code=_TEXT),
        EventType.TOKEN_USAGE_UPDATED: (
            *_required(input_tokens=_COUNT, output_tokens=_COUNT),
            *_optional(total_tokens=_COUNT, **dict.fromkeys(TOKEN_PARTS, _COUNT)),
            *_optional(model=_TEXT),
        ),
        EventType.TURN_COMPLETED: _optional(turn=_COUNT, stop_reason=_TEXT),
        EventType.WORKSPACE_SNAPSHOT_TAKEN: (
            *_required(ref=_TEXT),
            *_optional(label=_TEXT, backend=_TEXT),
        ),
        EventType.WORKSPACE_DIFF_COMPUTED: (
            *_required(files_changed=_COUNT),
            *_optional(insertions=_COUNT, deletions=_COUNT, patch_ref=_TEXT),
        ),
        EventType.POLICY_VIOLATION: (
            *_required(policy=_TEXT, kind=_TEXT),
            *_optional(action=_TEXT, tool_call_id=_TEXT, tool_name=_TEXT),
            *_optional(details=_OBJECT),
        ),
        EventType.TOOL_APPROVAL_REQUESTED: (
            *_TOOL,
            *_TOOL_INPUT,
            *_optional(message_id=_TEXT, policy_name=_TEXT),
            *_REASON,
        ),
        EventType.TOOL_APPROVAL_GRANTED: (*_TOOL, *_optional(decided_by=_TEXT)),
        EventType.TOOL_APPROVAL_DENIED: (
            *_TOOL,
            *_optional(decided_by=_TEXT),
            *_REASON,
        ),
    }
)
"""
The members of each type's data, in the order of the reference.
"""


def shape_warnings(event: Event) -> tuple[str, ...]:
    """
    Return what is unusual about an event's data, in words; nothing is refused for it.

    Only required members that are missing and members of another kind are told: more
    members than the layout has are an application's own affair, and so is the data of
    its own dotted types. Null stands for no member at all.

    Returns:
        One text for each, which begins with its path, such as ``data['content']``.

    Raises:
        ValidationError: If *event* is no event.
    """
    fields.instance(event, "event", Event)
    if not isinstance(event.type, EventType):
        return ()
    warnings: list[str] = []
    for member in LAYOUTS[event.type]:
        try:
            checked(member, event.data.get(member.name), f"data[{member.name!r}]")
            if member.is_required and member.name not in event.data:
                raise _missing(f"data[{member.name!r}]")
        except ValidationError as error:
            warnings.append(str(error))
    return tuple(warnings)


def checked(member: Member, value: Any, name: str) -> Any:
    """
    Return the value of one member, None for none.

    Raises:
        ValidationError: If it is missing or of another kind; the message starts with
            *name*.
    """
    if value is not None:
        return member.kind.rule(value, name)
    if member.is_required and not member.kind.takes_none:
        raise _missing(name)
    return None


def _missing(name: str) -> ValidationError:
    return ValidationError(f"{name}: this required member is missing")
