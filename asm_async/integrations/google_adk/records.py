"""
ADK's events as events of the conventions, and back.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import attrs
from google.adk.events.event import Event as AdkEvent
from google.genai import types
from pydantic import ValidationError as PydanticError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from asm_async.conventions import (
    error_occurred,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.errors import StorageError, ValidationError
from asm_async.integrations.google_adk.names import event_id_of
from asm_async.values.event import Event

OTHER_TYPE = "adk.event"
"""
The type of an event that says nothing: of changed state, a rewind, a transfer.
"""

_ORIGINAL = "original"


def time_of(timestamp: float, place: str) -> datetime:
    """
    Return a time that ADK has in seconds.

    Raises:
        ValidationError: If it is not within the years 1 to 9999.
    """
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ValidationError(f"{place}: {timestamp!r} is not a time") from error


def events_of(session_id: str, event: AdkEvent) -> list[Event]:
    """
    Return the events that say what one event of ADK says; its record is in the first.

    A message, each call of a tool, each result and an error are one event each; what
    is none of these is one of the type :data:`OTHER_TYPE`. None has a run yet.

    Raises:
        ValidationError: If the event cannot be stored.
    """
    return _EventBuilder(session_id, event).build()


def is_adk_event(event: Event) -> bool:
    """
    Return whether a stored event is one of ADK's, or the first of those that one is.
    """
    return _ORIGINAL in event.data


def adk_events_of(events: Iterable[Event]) -> list[AdkEvent]:
    """
    Return the events of ADK that some stored events are.

    Raises:
        StorageError: If one is stored that the installed version cannot read.
    """
    found: list[AdkEvent] = []
    for event in events:
        if not is_adk_event(event):
            continue
        try:
            found.append(AdkEvent.model_validate(event.data[_ORIGINAL]))
        except PydanticError as error:
            raise StorageError(
                f"event {event.id!r} of session {event.session_id!r} cannot be read by"
                f" this version of google-adk: {error}"
            ) from error
    return found


def record_of(event: AdkEvent) -> dict[str, Any]:
    """
    Return an event of ADK as plain JSON.

    Numbers that are not finite, such as a model's log probabilities, are written as
    text, which comes back as a number where ADK has one.

    Raises:
        ValidationError: If it has no form in JSON.
    """
    try:
        plain = event.model_dump(mode="json", exclude_none=True)
    except PydanticSerializationError as error:
        raise ValidationError(f"event: {error}") from error
    record: dict[str, Any] = _finite(plain)
    return record


def text_of(event: AdkEvent) -> str | None:
    """
    Return what an event says as text, without thoughts; None if it says nothing.
    """
    said = [part["text"] for part in _said(event) if part.get("type") == "text"]
    return "\n".join(said) or None


class _EventBuilder:
    def __init__(self, session_id: str, event: AdkEvent) -> None:
        self._session_id = session_id
        self._event = event
        self._events: list[Event] = []
        self._own: Mapping[str, Any] = {_ORIGINAL: record_of(event)}
        self._time = time_of(event.timestamp, "event.timestamp")
        known = {"author": event.author, "branch": event.branch}
        self._metadata = {name: value for name, value in known.items() if value}

    def build(self) -> list[Event]:
        parts = _parts(self._event)
        said = _said(self._event)
        calls = [part.function_call for part in parts if part.function_call]
        results = [part.function_response for part in parts if part.function_response]
        for result in results:
            self._add_result(result)
        if said or (_thoughts(parts) and not calls):
            self._add_message(said)
        for call in calls:
            self._add_call(call)
        if self._event.error_code or self._event.error_message:
            code = self._event.error_code
            message = self._event.error_message or code
            self._add(error_occurred, error_message=message, error_code=code)
        if not self._events:
            event_id = event_id_of(self._event.id, 0)
            self._append(Event.new(type=OTHER_TYPE, id=event_id, **self._shared()))
        return self._events

    def _add_message(self, said: list[dict[str, Any]]) -> None:
        is_text = len(said) == 1 and said[0]["type"] == "text"
        content: Any = said[0]["text"] if is_text else said or None
        if self._event.author == "user":
            self._add(message_sent, content=content or "", message_id=self._event.id)
            return
        reason = self._event.finish_reason
        self._add(
            message_received,
            content=content,
            message_id=self._event.id,
            model=self._event.model_version,
            stop_reason=None if reason is None else reason.value,
        )

    def _add_call(self, call: types.FunctionCall) -> None:
        self._add(
            tool_call_started,
            **_named(call),
            tool_input=json_members(call.args),
            message_id=self._event.id,
        )

    def _add_result(self, result: types.FunctionResponse) -> None:
        response = json_members(result.response)
        match response:
            case {"error": str(message), **more} if not more:
                self._add(tool_call_failed, **_named(result), error_message=message)
            case _:
                self._add(tool_call_completed, **_named(result), tool_output=response)

    def _add(self, build: Callable[..., Event], **members: Any) -> None:
        event_id = event_id_of(self._event.id, len(self._events))
        self._append(build(id=event_id, **members, **self._shared()))

    def _append(self, event: Event) -> None:
        self._events.append(event)
        # The record stands with the first event alone, so that it is read once.
        self._own = {}

    def _shared(self) -> dict[str, Any]:
        return {
            "session_id": self._session_id,
            "timestamp": self._time,
            "metadata": self._metadata,
            "data": self._own,
        }


def json_members(members: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Return the arguments or the result of a tool as a JSON object.
    """
    plain: dict[str, Any] = _finite(
        to_jsonable_python(members or {}, bytes_mode="base64", serialize_unknown=True)
    )
    return plain


def with_run(events: Iterable[Event], run_id: str | None) -> tuple[Event, ...]:
    """
    Return the events as those of a run.
    """
    return tuple(attrs.evolve(event, run_id=run_id) for event in events)


def _finite(value: Any) -> Any:
    """
    Return plain data with text for numbers that are not finite, as pydantic reads it.
    """
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            return {key: _finite(member) for key, member in members.items()}
        case list():
            return [_finite(member) for member in cast("list[object]", value)]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _named(part: types.FunctionCall | types.FunctionResponse) -> dict[str, str]:
    # A call without an id is found by its tool's name.
    return {"tool_call_id": part.id or "", "tool_name": part.name or "unknown"}


def _parts(event: AdkEvent) -> list[types.Part]:
    content = event.content
    return [] if content is None else content.parts or []


def _thoughts(parts: Iterable[types.Part]) -> bool:
    return any(part.thought for part in parts)


def _said(event: AdkEvent) -> list[dict[str, Any]]:
    """
    Return what an event says as the parts of a message, without thoughts.
    """
    told = [_told(part) for part in _parts(event) if not part.thought]
    if not told:
        # What is spoken in a live session has no content but what was heard.
        heard = (event.input_transcription, event.output_transcription)
        told = [_text(each.text) for each in heard if each and each.text]
    return [part for part in told if part is not None]


def _told(part: types.Part) -> dict[str, Any] | None:
    if part.text:
        return _text(part.text)
    if part.inline_data is not None:
        return _blob(part.inline_data)
    if part.file_data is not None:
        return _file(part.file_data)
    if part.executable_code is not None:
        return _text(part.executable_code.code or "")
    if part.code_execution_result is not None:
        return _text(part.code_execution_result.output or "")
    return None


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _blob(blob: types.Blob) -> dict[str, Any]:
    kind, data = blob.mime_type or "application/octet-stream", blob.data or b""
    if not kind.startswith("image/"):
        # Transcripts have no place for what is neither text nor an image.
        return _text(f"[{kind}, {len(data)} bytes]")
    encoded = base64.b64encode(data).decode()
    source = {"type": "base64", "media_type": kind, "data": encoded}
    return {"type": "image", "source": source}


def _file(file: types.FileData) -> dict[str, Any]:
    kind, uri = file.mime_type or "", file.file_uri or ""
    if kind.startswith("image/"):
        return {"type": "image", "source": {"type": "url", "url": uri}}
    return _text(f"[{kind or 'file'}, {uri}]")
