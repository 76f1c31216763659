"""
From one line of a session file to events.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import attrs

from asm_async.conventions import error_occurred, turn_completed
from asm_async.errors import ValidationError
from asm_async.importers.claude_code.entry import Entry
from asm_async.importers.lines import members_of
from asm_async.importers.names import event_id_of
from asm_async.importers.records import ORIGINAL, record_event
from asm_async.transcripts import events_from_anthropic
from asm_async.values import fields
from asm_async.values.event import Event, EventType

PROVIDER = "anthropic"

_RESULTS = frozenset({EventType.TOOL_CALL_COMPLETED, EventType.TOOL_CALL_FAILED})
_OF_MODEL = frozenset({EventType.MESSAGE_RECEIVED, EventType.TOOL_CALL_STARTED})
_NO_NAME = "unknown"


@attrs.frozen(kw_only=True, eq=False)
class Maker:
    """
    Makes the events of one line.
    """

    kind: str
    session_id: str
    run_id: str | None
    timestamp: datetime
    tool_names: Mapping[str, str]
    """
    The names of tools, by the ids of calls whose results may be there.
    """

    def events_of(
        self, entry: Entry, original: Mapping[str, Any]
    ) -> tuple[tuple[Event, ...], str]:
        """
        Return the events of a line, with the line whole in the first.

        Args:
            entry: The line, whose contents may have been taken out.

            original: The line as it is kept.

        Returns:
            The events, and what was not understood of the line, in words.
        """
        said, reason = self._said_by(entry)
        if not said:
            name = ".".join(filter(None, (entry.type, entry.text("subtype"))))
            said = [
                record_event(
                    session_id=self.session_id,
                    event_id=event_id_of(self.kind, entry.name),
                    timestamp=self.timestamp,
                    kind=self.kind,
                    name=name,
                )
            ]
        events = [self._placed(entry, each, i) for i, each in enumerate(said, 1)]
        # Checked when it is stored: to do so here takes as long as all the rest.
        first = events[0]
        whole = first.with_json({**first.data, ORIGINAL: dict(original)}, {})
        return (whole, *events[1:]), reason

    def _said_by(self, entry: Entry) -> tuple[list[Event], str]:
        if entry.type == "system":
            return self._noted_by(entry), ""
        if entry.is_api_error:
            return [self._error(entry.words, entry.text("error"), {})], ""
        content = entry.message.get("content")
        if not content:
            is_message = entry.type in {"user", "assistant"}
            is_odd = is_message and content is None and "usage" not in entry.message
            return [], "a message without content" if is_odd else ""
        message = {"role": entry.type, "content": content}
        try:
            said = events_from_anthropic(
                [message], session_id=self.session_id, timestamp=self.timestamp
            )
        except ValidationError as error:
            return [], str(error)
        return said, ""

    def _noted_by(self, entry: Entry) -> list[Event]:
        match entry.text("subtype"):
            case "api_error":
                error = entry.original.get("error")
                known = ("retryAttempt", "maxRetries", "retryInMs")
                told = {k: entry.original[k] for k in known if k in entry.original}
                words, code = _words_of_error(error)
                return [self._error(words, code, told)]
            case "turn_duration":
                duration = entry.original.get("durationMs")
                data = {} if duration is None else {"duration_ms": duration}
                made = turn_completed(
                    session_id=self.session_id, timestamp=self.timestamp, data=data
                )
                return [made]
            case _:
                return []

    def _error(self, words: str, code: str | None, details: dict[str, Any]) -> Event:
        return error_occurred(
            session_id=self.session_id,
            timestamp=self.timestamp,
            error_message=words or "The request failed.",
            error_code=code,
            details=details or None,
        )

    def _placed(self, entry: Entry, event: Event, place: int) -> Event:
        data: dict[str, Any] = event.data
        if event.type in _OF_MODEL:
            data["message_id"] = entry.message_id or entry.name
        if event.type is EventType.MESSAGE_RECEIVED:
            told = {name: entry.message.get(name) for name in ("model", "stop_reason")}
            data |= {name: v for name, v in told.items() if isinstance(v, str)}
        call_id = data.get("tool_call_id")
        if event.type in _RESULTS:
            data["tool_name"] = self.tool_names.get(cast("str", call_id), _NO_NAME)
            if (duration := _duration_of(entry)) is not None:
                data["duration_ms"] = duration
        placed = attrs.evolve(
            event,
            id=event_id_of(self.kind, entry.name, place),
            data={},
            correlation_id=text_or_none(call_id),
            run_id=self.run_id,
            provider=PROVIDER if event.type in _OF_MODEL else None,
        )
        return placed.with_json(data, {})


def _duration_of(entry: Entry) -> float | None:
    found = members_of(entry.original.get("toolUseResult")).get("durationMs")
    try:
        return fields.optional(found, "durationMs", fields.amount)
    except ValidationError:
        return None


def _words_of_error(error: object) -> tuple[str, str | None]:
    """
    Return the message and the type that stand somewhere within an error.
    """
    words, code = "", None
    while known := members_of(error):
        said, kind = known.get("message"), known.get("type") or known.get("code")
        words = said if isinstance(said, str) else words
        code = kind if isinstance(kind, str) else code
        error = known.get("error") or known.get("cause")
    return words, code


def text_or_none(value: object) -> str | None:
    """
    Return a text that a field can hold; None for all else.
    """
    try:
        return fields.text(value, "value")
    except ValidationError:
        return None
