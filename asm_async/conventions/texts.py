"""
What of an event is text that people search for, and who has said it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from asm_async.conventions.layouts import Role
from asm_async.values.event import Event, EventFamily, EventType

EventTexts: TypeAlias = Callable[[Event], Iterable[str]]
"""
Returns the texts of an event: always the same ones, and none if nothing of it is to be
found.
"""

_ERROR = ("error_message", "error_code", "details")
_CALL = ("tool_name", "tool_input", "tool_input_text")

TEXT_MEMBERS: Mapping[EventType, tuple[str, ...]] = MappingProxyType(
    {
        EventType.SESSION_PAUSED: ("reason",),
        EventType.SESSION_RESUMED: ("reason",),
        EventType.SESSION_COMPLETED: ("reason",),
        EventType.SESSION_FAILED: _ERROR,
        EventType.SESSION_CANCELLED: ("reason",),
        EventType.RUN_FAILED: _ERROR,
        EventType.RUN_CANCELLED: ("reason",),
        EventType.RUN_TIMEOUT: ("reason",),
        EventType.MESSAGE_SENT: ("content",),
        EventType.MESSAGE_RECEIVED: ("content",),
        EventType.TOOL_CALL_STARTED: _CALL,
        EventType.TOOL_CALL_COMPLETED: (*_CALL, "tool_output"),
        EventType.TOOL_CALL_FAILED: (*_CALL, *_ERROR, "tool_output"),
        EventType.ERROR_OCCURRED: _ERROR,
        EventType.ERROR_RECOVERED: _ERROR,
        EventType.WORKSPACE_SNAPSHOT_TAKEN: ("label",),
        EventType.POLICY_VIOLATION: ("policy", "kind", "action", "details"),
        EventType.TOOL_APPROVAL_REQUESTED: (*_CALL, "policy_name", "reason"),
        EventType.TOOL_APPROVAL_GRANTED: ("tool_name",),
        EventType.TOOL_APPROVAL_DENIED: ("tool_name", "reason"),
    }
)
"""
Which members of an event's data are searched, by its type; types that are not here have
no text. Pieces of streamed messages have none, since the whole message follows, and the
output of a run has none, since its last message says it.
"""

# What is written in one piece, and as long as this, is a file or a key.
_LONGEST_WORD = 1_000

# Members of a part, or of any object, that say what it is and not what it says.
_LABELS = frozenset({"type", "id", "mime_type", "media_type", "mimeType", "signature"})


# Tools answer by events of their own.
_AUTHORS: Mapping[str, Role] = {
    each.value: each for each in Role if each is not Role.TOOL
}


def event_texts(event: Event) -> Iterator[str]:
    """
    Yield the texts of an event that ``TEXT_MEMBERS`` names.

    Message parts, and the inputs and outputs of tools, yield all texts and numbers in
    them, but not the names of members, labels such as ``type``, or contents in base64.
    """
    if not isinstance(event.type, EventType):
        return
    for name in TEXT_MEMBERS.get(event.type, ()):
        # The text that a model wrote is that of the input, once more.
        if name == "tool_input_text" and event.data.get("tool_input") is not None:
            continue
        yield from _texts_in(event.data.get(name))


def speaker_of(event: Event) -> Role | None:
    """
    Return the role whose words an event's texts are; None if they are of no role.

    As in transcripts the assistant calls tools, and tools have results.
    """
    if not isinstance(event.type, EventType):
        return None
    match event.type:
        case EventType.MESSAGE_SENT:
            return _told(event, Role.USER)
        case EventType.MESSAGE_RECEIVED:
            return _told(event, Role.ASSISTANT)
        case EventType.TOOL_CALL_STARTED:
            return Role.ASSISTANT
        case _ if event.type.family is EventFamily.TOOL:
            return Role.TOOL
        case _:
            return None


def _told(event: Event, default: Role) -> Role:
    role = event.data.get("role")
    return _AUTHORS.get(role.lower(), default) if isinstance(role, str) else default


def _texts_in(value: object) -> Iterator[str]:
    """
    Yield all texts and numbers in a JSON value, in their order.
    """
    waiting: list[Any] = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if not _is_encoded(value):
                yield value
        elif isinstance(value, Mapping):
            members = cast("Mapping[str, Any]", value).items()
            waiting += [each for name, each in members if name not in _LABELS][::-1]
        elif isinstance(value, list):
            waiting += reversed(cast("list[object]", value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield str(value)


def _is_encoded(text: str) -> bool:
    """
    Return whether a text is a content in base64, or the like.
    """
    beginning = text[:_LONGEST_WORD]
    return (
        len(beginning) == _LONGEST_WORD
        and beginning.isascii()
        and len(beginning.split()) == 1
    )
