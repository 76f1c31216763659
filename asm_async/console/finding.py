"""
Finding something in a session: a text, what went wrong, a run, a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from time import perf_counter
from typing import Any, cast

from asm_async.console.access import Reader
from asm_async.console.entries import EntryMaker, data_text
from asm_async.console.entry_answers import Entry, Find, Finds
from asm_async.fronts.loop_share import LoopShare
from asm_async.values.event import Event, EventType
from asm_async.values.json_values import decode_json

_SECONDS_PER_REQUEST = 0.4
_EVENTS_AT_ONCE = 500
_AROUND = 60

_FAILURES = frozenset(
    {
        EventType.ERROR_OCCURRED,
        EventType.POLICY_VIOLATION,
        EventType.RUN_FAILED,
        EventType.RUN_TIMEOUT,
        EventType.SESSION_FAILED,
        EventType.TOOL_APPROVAL_DENIED,
        EventType.TOOL_CALL_FAILED,
    }
)


async def find(
    reader: Reader,
    session_id: str,
    *,
    text: str,
    after: int,
    limit: int,
    errors: bool = False,
) -> Finds:
    """
    Return which events hold a text, in any case, or are about failures that do.

    It looks for as long as one request may take; the next one goes on behind that.
    """
    wanted, hint = re.compile(re.escape(text), re.IGNORECASE), _Hint(text)
    ends_at = perf_counter() + _SECONDS_PER_REQUEST
    found: list[Find] = []
    share = LoopShare()
    while True:
        events, latest = await reader.view.get_events(
            session_id, after=after, limit=_EVENTS_AT_ONCE
        )
        for event in events:
            after = event.sequence_number
            is_wanted = event.type in _FAILURES if errors else hint.may_be_in(event)
            if is_wanted and (item := _find(event, wanted)) is not None:
                found.append(item)
            if len(found) == limit or perf_counter() > ends_at:
                return {
                    "items": found,
                    "searched_to": after,
                    "is_done": after >= latest,
                }
            if perf_counter() >= share.ends_at:
                await share.rest()
        if len(events) < _EVENTS_AT_ONCE:
            return {"items": found, "searched_to": after, "is_done": True}


class _Hint:
    """
    Says which events are worth decoding, for a text that JSON does not escape.
    """

    def __init__(self, text: str) -> None:
        is_plain = text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}
        self._text = text.lower() if is_plain else ""

    def may_be_in(self, event: Event) -> bool:
        """
        Return whether an event may hold the text.
        """
        names = f"{event.type}\n{event.id}".lower()
        return self._text in names or self._text in data_text(event).lower()


def _find(event: Event, wanted: re.Pattern[str]) -> Find | None:
    for text in _texts(event):
        if (match := wanted.search(text)) is not None:
            begin = max(0, match.start() - _AROUND)
            around = text[begin : match.end() + _AROUND]
            entry: Entry = EntryMaker().entry(event)
            return {
                "sequence": event.sequence_number,
                "kind": entry["kind"],
                "excerpt": " ".join(around.split()),
            }
    return None


def _texts(event: Event) -> Iterator[str]:
    """
    Yield what an event's data says: each text in it, then the event's type and id.
    """
    waiting: list[Any] = [decode_json(data_text(event))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            waiting += reversed(list(members.values()))
        elif isinstance(value, list):
            waiting += reversed(cast("list[object]", value))
    yield str(event.type)
    yield event.id


async def place_of_run(reader: Reader, session_id: str, run_id: str) -> int | None:
    """
    Return the number of a run's first event.
    """
    found, _ = await reader.view.get_events(session_id, run_id=run_id, limit=1)
    return found[0].sequence_number if found else None


async def place_of_time(reader: Reader, session_id: str, time: datetime) -> int | None:
    """
    Return the number of the first event at a time or later.
    """
    found, _ = await reader.view.get_events(session_id, since=time, limit=1)
    return found[0].sequence_number if found else None
