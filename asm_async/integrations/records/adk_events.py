"""
Events of ADK, as JSON, as events of the conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, cast

from asm_async.conventions import (
    error_occurred,
    message_received,
    message_sent,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.integrations.records.adk_names import event_id_of
from asm_async.values.event import Event

OTHER_TYPE = "adk.event"
"""
The type of an event that says nothing: of changed state, a rewind, a transfer.
"""

ORIGINAL = "original"
"""
The member of an event's data that is ADK's event, whole.
"""

USER = "user"
"""
The author of what people say.
"""

Members: TypeAlias = Mapping[str, Any]
"""
An object of JSON.
"""

_NONE: Mapping[str, Any] = {}


def events_of_record(session_id: str, record: Members, at: datetime) -> list[Event]:
    """
    Return the events that say what one event of ADK says; its record is in the first.

    A message, each call of a tool, each result and an error are one event each; what
    is none of these is one of the type :data:`OTHER_TYPE`. None has a run yet.

    Args:
        session_id: The session.

        record: The event as ADK writes it as JSON: in snake case, without what is null.

        at: When it was.

    Raises:
        ValidationError: If the event cannot be stored.
    """
    return _EventBuilder(session_id, record, at).build()


def text_of_record(record: Members) -> str | None:
    """
    Return what an event says as text, without thoughts; None if it says nothing.
    """
    said = [part["text"] for part in _said(record) if part.get("type") == "text"]
    return "\n".join(said) or None


def is_answer(record: Members) -> bool:
    """
    Return whether an event is an agent's last word in its part of an invocation.
    """
    actions = members(record.get("actions"))
    parts = parts_of(record)
    calls = any(part.get("function_call") for part in parts)
    if calls or record.get("author") == USER:
        return False
    if actions.get("skip_summarization") or record.get("long_running_tool_ids"):
        return True
    # A result goes back to the model, and so does that of code which it has run.
    is_result = any(part.get("function_response") for part in parts)
    is_of_code = bool(parts) and parts[-1].get("code_execution_result") is not None
    return not (is_result or is_of_code or record.get("partial"))


def parts_of(record: Members) -> list[Members]:
    """
    Return the parts of an event's content.
    """
    parts = members(record.get("content")).get("parts")
    if not isinstance(parts, list):
        return []
    return [members(part) for part in cast("list[object]", parts)]


def members(value: object) -> Members:
    """
    Return *value* if it is an object, or an empty one.
    """
    return cast("Members", value) if isinstance(value, Mapping) else _NONE


class _EventBuilder:
    def __init__(self, session_id: str, record: Members, at: datetime) -> None:
        self._session_id = session_id
        self._record = record
        self._id = str(record.get("id") or "")
        self._events: list[Event] = []
        self._own: Members = {ORIGINAL: record}
        self._time = at
        known = {"author": record.get("author"), "branch": record.get("branch")}
        self._metadata = {name: value for name, value in known.items() if value}

    def build(self) -> list[Event]:
        parts = parts_of(self._record)
        said = _said(self._record)
        calls = [members(part["function_call"]) for part in parts if _is_call(part)]
        for part in parts:
            if part.get("function_response"):
                self._add_result(members(part["function_response"]))
        if said or (any(part.get("thought") for part in parts) and not calls):
            self._add_message(said)
        for call in calls:
            self._add_call(call)
        code = self._record.get("error_code")
        message = self._record.get("error_message")
        if code or message:
            self._add(error_occurred, error_message=message or code, error_code=code)
        if not self._events:
            event_id = event_id_of(self._id, 0)
            self._append(Event.new(type=OTHER_TYPE, id=event_id, **self._shared()))
        return self._events

    def _add_message(self, said: list[dict[str, Any]]) -> None:
        is_text = len(said) == 1 and said[0]["type"] == "text"
        content: Any = said[0]["text"] if is_text else said or None
        if self._record.get("author") == USER:
            self._add(message_sent, content=content or "", message_id=self._id)
            return
        self._add(
            message_received,
            content=content,
            message_id=self._id,
            model=self._record.get("model_version"),
            stop_reason=self._record.get("finish_reason"),
        )

    def _add_call(self, call: Members) -> None:
        self._add(
            tool_call_started,
            **_named(call),
            tool_input=dict(members(call.get("args"))),
            message_id=self._id,
        )

    def _add_result(self, result: Members) -> None:
        response = dict(members(result.get("response")))
        match response:
            case {"error": str(message), **more} if not more:
                self._add(tool_call_failed, **_named(result), error_message=message)
            case _:
                self._add(tool_call_completed, **_named(result), tool_output=response)

    def _add(self, build: Callable[..., Event], **fields: Any) -> None:
        event_id = event_id_of(self._id, len(self._events))
        self._append(build(id=event_id, **fields, **self._shared()))

    def _append(self, event: Event) -> None:
        self._events.append(event)
        # The record stands with the first event alone, so that it is read once.
        self._own = _NONE

    def _shared(self) -> dict[str, Any]:
        return {
            "session_id": self._session_id,
            "timestamp": self._time,
            "metadata": self._metadata,
            "data": self._own,
        }


def _is_call(part: Members) -> bool:
    return bool(part.get("function_call"))


def _named(part: Members) -> dict[str, str]:
    # A call without an id is found by its tool's name.
    return {
        "tool_call_id": part.get("id") or "",
        "tool_name": part.get("name") or "unknown",
    }


def _said(record: Members) -> list[dict[str, Any]]:
    """
    Return what an event says as the parts of a message, without thoughts.
    """
    spoken = [part for part in parts_of(record) if not part.get("thought")]
    told = [_told(part) for part in spoken]
    if not told:
        # What is spoken in a live session has no content but what was heard.
        told = list(_heard(record))
    return [part for part in told if part is not None]


def _heard(record: Members) -> Iterable[dict[str, Any]]:
    for name in ("input_transcription", "output_transcription"):
        text = members(record.get(name)).get("text")
        if text:
            yield _text(text)


def _told(part: Members) -> dict[str, Any] | None:
    if part.get("text"):
        return _text(part["text"])
    if part.get("inline_data") is not None:
        return _blob(members(part["inline_data"]))
    if part.get("file_data") is not None:
        return _file(members(part["file_data"]))
    if part.get("executable_code") is not None:
        return _text(members(part["executable_code"]).get("code") or "")
    if part.get("code_execution_result") is not None:
        return _text(members(part["code_execution_result"]).get("output") or "")
    return None


def _text(text: Any) -> dict[str, Any]:
    return {"type": "text", "text": str(text)}


def _blob(blob: Members) -> dict[str, Any]:
    kind = blob.get("mime_type") or "application/octet-stream"
    # ADK writes the alphabet of URLs; providers take the other.
    data = str(blob.get("data") or "").translate(_STANDARD_ALPHABET)
    if not kind.startswith("image/"):
        # Transcripts have no place for what is neither text nor an image.
        size = len(data) * 3 // 4 - data[-2:].count("=")
        return _text(f"[{kind}, {size} bytes]")
    source = {"type": "base64", "media_type": kind, "data": data}
    return {"type": "image", "source": source}


def _file(file: Members) -> dict[str, Any]:
    kind, uri = file.get("mime_type") or "", file.get("file_uri") or ""
    if kind.startswith("image/"):
        return {"type": "image", "source": {"type": "url", "url": uri}}
    return _text(f"[{kind or 'file'}, {uri}]")


_STANDARD_ALPHABET = str.maketrans("-_", "+/")
