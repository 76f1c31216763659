"""
From the framework's messages, as it writes them, to events and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

from agent_framework import Message

from asm_async.conventions import (
    Role,
    error_occurred,
    message_received,
    message_sent,
    tool_approval_denied,
    tool_approval_granted,
    tool_approval_requested,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.errors import ValidationError
from asm_async.transcripts.outputs import input_of_text
from asm_async.transcripts.parts import plain_text
from asm_async.values.event import Event
from asm_async.values.fields import unexpected
from asm_async.values.ids import new_event_id
from asm_async.values.json_values import JSONObject, normalise_json_object

MESSAGE = "agent_framework.message"
"""
What ties together the events that bear a message whole: their correlation id.

It is also the type of the event of a message for which the conventions have no type.
"""

Builder: TypeAlias = Callable[..., Event]

_SPEAKERS = frozenset({Role.SYSTEM, Role.DEVELOPER, Role.USER})
_CALL, _RESULT = "_call", "_result"
_OUTPUTS = ("result", "output", "outputs", "items")
_INPUTS = ("inputs", "commands", "actions")


def record_of(message: object, place: str) -> JSONObject:
    """
    Return a message in the form that the framework itself writes.

    Raises:
        ValidationError: Beginning with *place*, if it is no message or holds what is no
            JSON value.
    """
    if not isinstance(message, Message):
        raise unexpected(place, "a Message", message)
    return normalise_json_object(message.to_dict(), place)


def message_of(event: Event) -> Message:
    """
    Return the message that an event bears whole.

    Raises:
        ValidationError: Naming the event, if it bears none.
    """
    try:
        return Message.from_dict(cast("dict[str, Any]", event.data["original"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValidationError(
            f"event {event.id!r} of session {event.session_id!r}: data['original'] is"
            f" not a message of the framework ({error})"
        ) from error


def events_of(
    record: JSONObject,
    *,
    session_id: str,
    run_id: str | None,
    names: dict[str, str],
) -> list[Event]:
    """
    Return the events that say what a message says; the first bears it whole.

    Args:
        record: The message in the framework's form.

        session_id: The session that the events are of.

        run_id: The run.

        names: The tools' names by the ids of their calls; those of the message are
            added.
    """
    first_id = new_event_id()
    steps = list(_steps(record, first_id, names))
    common: dict[str, Any] = {"session_id": session_id, "run_id": run_id}
    first: dict[str, Any] = {
        "id": first_id,
        "correlation_id": MESSAGE,
        "data": {"original": record},
    }
    if not steps:
        steps = [partial(Event.new, type=MESSAGE)]
    return [steps[0](**common, **first), *(step(**common) for step in steps[1:])]


def note_names(record: JSONObject, names: dict[str, str]) -> None:
    """
    Remember which tools a message calls: results name the call alone.
    """
    for content in _contents(record):
        call_id, kind = _call_id(content), _kind(content)
        if call_id and kind.endswith(_CALL):
            names[call_id] = _name(content)


def _steps(
    record: JSONObject, first_id: str, names: dict[str, str]
) -> Iterator[Builder]:
    contents = _contents(record)
    message_id = str(record.get("message_id") or first_id)
    parts = [part for content in contents if (part := part_of(content))]
    role = record.get("role")
    if parts and role == Role.ASSISTANT:
        said = plain_text(parts)
        yield partial(message_received, content=said, message_id=message_id)
    elif parts and role in _SPEAKERS:
        said = plain_text(parts)
        yield partial(message_sent, content=said, role=str(role), message_id=message_id)
    note_names(record, names)
    for content in contents:
        yield from _done(content, message_id, names)


def _done(
    content: JSONObject, message_id: str, names: Mapping[str, str]
) -> Iterator[Builder]:
    """
    Yield what a content is beside something said: a call, a result, an approval.
    """
    kind = _kind(content)
    about = _about(content, names)
    if kind.endswith(_CALL):
        given = _input(content)
        yield partial(tool_call_started, **about, **given, message_id=message_id)
    elif kind.endswith(_RESULT):
        yield _ended(content, about)
    elif kind in {"function_approval_request", "function_approval_response"}:
        call = cast("JSONObject", content.get("function_call") or {})
        about = _about(call, names)
        if kind.endswith("request"):
            given = _input(call)
            yield partial(
                tool_approval_requested, **about, **given, message_id=message_id
            )
        elif content.get("approved"):
            yield partial(tool_approval_granted, **about)
        else:
            yield partial(tool_approval_denied, **about)
    elif kind == "error":
        code, details = content.get("error_code"), content.get("error_details")
        yield partial(
            error_occurred,
            error_message=content.get("message") or code or "unknown",
            error_code=code,
            details={"error_details": details} if details else None,
        )


def _ended(content: JSONObject, about: dict[str, Any]) -> Builder:
    """
    Return what makes the event of a tool's result.

    What went wrong is told as the framework writes it: a marker, since the exception's
    own text is for nobody but the program that it happened in.
    """
    output = _output(content)
    failure = content.get("exception")
    if failure is None:
        return partial(tool_call_completed, **about, tool_output=output)
    is_told = isinstance(output, str) and output
    return partial(
        tool_call_failed,
        **about,
        error_message=output if is_told else failure,
        error_code=failure,
        tool_output=None if is_told else output,
    )


def _about(content: JSONObject, names: Mapping[str, str]) -> dict[str, Any]:
    call_id = _call_id(content)
    name = names.get(call_id) or _name(content)
    return {"tool_call_id": call_id, "tool_name": name}


def _input(content: JSONObject) -> dict[str, Any]:
    arguments = content.get("arguments")
    if isinstance(arguments, str):
        return input_of_text(arguments)
    if isinstance(arguments, dict):
        return {"tool_input": arguments}
    others = {name: content[name] for name in _INPUTS if name in content}
    return {"tool_input": others} if others else {}


def _output(content: JSONObject) -> Any:
    items = content.get("items")
    if isinstance(items, list):
        found = map(part_of, cast("list[object]", items))
        parts = [part for part in found if part]
        # The framework joins what is text in its result, and leaves out what is not.
        if any(part["type"] != "text" for part in parts):
            return parts
    return next((content[name] for name in _OUTPUTS if name in content), None)


def part_of(content: object) -> JSONObject | None:
    """
    Return the part of a message for what is said in a content, None if nothing is.
    """
    match content:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {
            "type": "data" | "uri",
            "uri": str(uri),
            "media_type": str(media_type),
        } if media_type.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": uri}}
        case {"type": "data" | "uri", "uri": str(uri)}:
            name = "file_data" if uri.startswith("data:") else "file_url"
            return {"type": "file", "file": {name: uri}}
        case {"type": "hosted_file", "file_id": str(file_id)}:
            return {"type": "file", "file": {"file_id": file_id}}
        case _:
            return None


def _contents(record: JSONObject) -> Sequence[JSONObject]:
    return cast("list[JSONObject]", record.get("contents") or [])


def _kind(content: JSONObject) -> str:
    return str(content.get("type"))


def _call_id(content: JSONObject) -> str:
    # Images are known by their own ids; a call of a hosted tool may have none at all.
    found = content.get("call_id") or content.get("image_id")
    return found if isinstance(found, str) else ""


def _name(content: JSONObject) -> str:
    found = content.get("name") or content.get("tool_name")
    if isinstance(found, str):
        return found
    kind = _kind(content).removesuffix(_CALL).removesuffix(_RESULT)
    return kind.removesuffix("_tool") if kind.endswith("_tool") else "unknown"
