"""
From one line of a session file to events and a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.names import digest_of, event_id_of, run_id_of
from asm_async.importers.records import record_event, with_original
from asm_async.transcripts import events_from_anthropic
from asm_async.usage import token_usage_of
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run, RunStatus

PROVIDER = "anthropic"

_RESULTS = frozenset({EventType.TOOL_CALL_COMPLETED, EventType.TOOL_CALL_FAILED})
_OF_MODEL = frozenset({EventType.MESSAGE_RECEIVED, EventType.TOOL_CALL_STARTED})


@attrs.define(eq=False, slots=False)
class Entry:
    """
    One line, and the session that it is of.
    """

    kind: str
    session_id: str
    original: Mapping[str, Any]
    time: datetime

    @cached_property
    def name(self) -> str:
        """
        Its ``uuid``, or a digest of it where it has none.
        """
        uuid = self.original.get("uuid")
        return uuid if isinstance(uuid, str) and uuid else digest_of(self.original)

    @cached_property
    def message(self) -> Mapping[str, Any]:
        """
        The message that it holds; an empty object if it is none.
        """
        message = self.original.get("message")
        if self.original.get("type") not in {"user", "assistant"}:
            return {}
        return cast("dict[str, Any]", message) if isinstance(message, dict) else {}

    @property
    def called_tools(self) -> dict[str, str]:
        """
        The names of the tools that it calls, by the ids of the calls.
        """
        content = self.message.get("content")
        blocks = cast("Sequence[Any]", content) if isinstance(content, list) else ()
        return {
            block["id"]: block["name"]
            for block in blocks
            if isinstance(block, dict)
            and block.get("type") == "tool_use"
            and isinstance(block.get("id"), str)
            and isinstance(block.get("name"), str)
        }


def events_of(
    entry: Entry, run: Run | None, tool_names: Mapping[str, str]
) -> tuple[Event, ...]:
    """
    Return the events of an entry, with the entry whole in the first.

    Args:
        entry: Which.

        run: The request that it is of, if any.

        tool_names: The names of tools, by the ids of calls whose results may be there.
    """
    said = _said_by(entry)
    if not said:
        name = entry.original.get("type")
        event = record_event(
            session_id=entry.session_id,
            event_id=event_id_of(entry.kind, entry.name),
            timestamp=entry.time,
            kind=entry.kind,
            name=name if isinstance(name, str) else "",
        )
        return with_original((event,), entry.original)
    events = [
        _placed(entry, event, place, run, tool_names)
        for place, event in enumerate(said, start=1)
    ]
    return with_original(tuple(events), entry.original)


def _placed(
    entry: Entry, event: Event, place: int, run: Run | None, names: Mapping[str, str]
) -> Event:
    data: dict[str, Any] = dict(event.data)
    message = entry.message
    if event.type in _OF_MODEL:
        data["message_id"] = text_or_none(message.get("id")) or entry.name
    if event.type is EventType.MESSAGE_RECEIVED:
        told = {name: message.get(name) for name in ("model", "stop_reason")}
        data |= {name: v for name, v in told.items() if isinstance(v, str)}
    call_id = data.get("tool_call_id")
    if event.type in _RESULTS:
        data["tool_name"] = names.get(cast("str", call_id), "unknown")
    return attrs.evolve(
        event,
        id=event_id_of(entry.kind, entry.name, place),
        data=data,
        correlation_id=text_or_none(call_id),
        run_id=None if run is None else run.id,
        provider=PROVIDER if event.type in _OF_MODEL else None,
    )


def _said_by(entry: Entry) -> list[Event]:
    content = entry.message.get("content")
    if not content:
        return []
    message = {"role": entry.original["type"], "content": content}
    try:
        return events_from_anthropic(
            [message], session_id=entry.session_id, timestamp=entry.time
        )
    except ValidationError:
        return []


def run_of(entry: Entry) -> Run | None:
    """
    Return the request to the model that an entry is an answer to, with its tokens.

    An answer's blocks stand in several lines, each of which tells the tokens of all:
    they have one run, under the answer's id. So has an answer that was copied to the
    file of another session.
    """
    message_id, usage = entry.message.get("id"), entry.message.get("usage")
    is_answer = entry.original.get("type") == "assistant"
    if not is_answer or not isinstance(message_id, str) or not isinstance(usage, dict):
        return None
    model = text_or_none(entry.message.get("model"))
    try:
        counts = token_usage_of(usage, provider=PROVIDER)
        if not any(counts.values()):
            # What the program says itself, such as that a request failed.
            return None
        run = Run.new(
            session_id=entry.session_id,
            id=run_id_of(entry.kind, message_id),
            provider=PROVIDER,
            provider_metadata={} if model is None else {"model": model},
            started_at=entry.time,
        )
        run = attrs.evolve(run, token_usage=counts)
    except ValidationError:
        return None
    return run.update_status(RunStatus.COMPLETED, at=entry.time)


def text_or_none(value: object) -> str | None:
    """
    Return a text that a field can hold; None for all else.
    """
    try:
        return fields.text(value, "value")
    except ValidationError:
        return None
