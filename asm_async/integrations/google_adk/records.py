"""
ADK's events as events of the conventions, and back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

import attrs
from google.adk.events.event import Event as AdkEvent
from pydantic import ValidationError as PydanticError
from pydantic_core import PydanticSerializationError

from asm_async.errors import StorageError, ValidationError
from asm_async.integrations.records.adk_events import ORIGINAL, events_of_record
from asm_async.values.event import Event


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
    is none of these is one of the type ``adk.event``. None has a run yet.

    Raises:
        ValidationError: If the event cannot be stored.
    """
    at = time_of(event.timestamp, "event.timestamp")
    return events_of_record(session_id, record_of(event), at)


def is_adk_event(event: Event) -> bool:
    """
    Return whether a stored event is one of ADK's, or the first of those that one is.
    """
    return ORIGINAL in event.data


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
            found.append(AdkEvent.model_validate(event.data[ORIGINAL]))
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
