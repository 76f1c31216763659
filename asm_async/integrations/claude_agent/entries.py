"""
From the entries of a transcript to events and runs, and back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.integrations.claude_agent.keys import AGENT_ID, TranscriptKey
from asm_async.integrations.ids import safe_id
from asm_async.transcripts import events_from_anthropic
from asm_async.usage import token_usage_of
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.ids import new_event_id
from asm_async.values.run import Run, RunStatus

ENTRY_TYPE = "claude.entry"
"""
The type of the event of an entry that is no message.
"""

PROVIDER = "anthropic"

_ORIGINAL = "original"
_ID_PREFIX = "claude-entry"
_RUN_PREFIX = "claude-run"
_NO_NAME = "unknown"

_RESULTS = frozenset({EventType.TOOL_CALL_COMPLETED, EventType.TOOL_CALL_FAILED})
_OF_MODEL = frozenset({EventType.MESSAGE_RECEIVED, EventType.TOOL_CALL_STARTED})


@attrs.frozen(eq=False)
class Entry:
    """
    An entry that is to be appended, with the name that its event has.
    """

    original: Mapping[str, Any]
    name: tuple[str, ...]
    """
    Its ``uuid``; or, without one, an empty text and a name that no other entry has.
    """

    timestamp: datetime
    """
    The time that it tells, or else the present one.
    """

    @property
    def event_id(self) -> str:
        """
        The id of its event, the first one if it has several.
        """
        return self.id_of(1)

    @property
    def event_ids(self) -> set[str]:
        """
        The ids that its events may have: no more than its message has blocks.
        """
        content = self.message.get("content")
        count = (
            len(cast("Sequence[object]", content)) if isinstance(content, list) else 1
        )
        return {self.event_id, *(self.id_of(place) for place in range(2, count + 1))}

    def id_of(self, place: int) -> str:
        """
        Return the id of one of its events, counted from 1.
        """
        number = () if place == 1 else (str(place),)
        return safe_id(_ID_PREFIX, *self.name, *number)

    @property
    def message(self) -> Mapping[str, Any]:
        """
        The message that it holds; an empty object if it is none.
        """
        message = self.original.get("message")
        is_message = self.original.get("type") in {"user", "assistant"}
        if not is_message or not isinstance(message, dict):
            return {}
        return cast("Mapping[str, Any]", message)

    def blocks(self, kind: str) -> list[Mapping[str, Any]]:
        """
        Return the message's blocks of one *kind*.
        """
        content = self.message.get("content")
        if not isinstance(content, list):
            return []
        blocks = [
            cast("Mapping[str, Any]", block)
            for block in cast("Sequence[object]", content)
            if isinstance(block, dict)
        ]
        return [block for block in blocks if block.get("type") == kind]


def entries_of(originals: object) -> list[Entry]:
    """
    Accept the entries of one append; of those with the same ``uuid`` the first stays.

    Raises:
        ValidationError: Naming the entry that is no object.
    """
    if not isinstance(originals, list | tuple):
        raise fields.unexpected("entries", "a list", originals)
    entries: dict[tuple[str, ...], Entry] = {}
    for index, original in enumerate(cast("Sequence[object]", originals)):
        if not isinstance(original, Mapping):
            raise fields.unexpected(f"entries[{index}]", "an object", original)
        members = cast("Mapping[str, Any]", original)
        name = _name_of(members.get("uuid"))
        time = _time_of(members.get("timestamp"))
        entries.setdefault(name, Entry(members, name, time))
    return list(entries.values())


def _name_of(uuid: object) -> tuple[str, ...]:
    return (uuid,) if isinstance(uuid, str) and uuid else ("", new_event_id())


def _time_of(value: object) -> datetime:
    try:
        time = datetime.fromisoformat(cast("str", value))
        return fields.utc_time(time, "timestamp")
    except (TypeError, ValueError):
        return datetime.now(UTC)


def called_tools(entries: Iterable[Entry]) -> dict[str, str]:
    """
    Return the names of the tools that entries call, by the ids of the calls.
    """
    calls = [block for entry in entries for block in entry.blocks("tool_use")]
    return {
        call["id"]: call["name"]
        for call in calls
        if isinstance(call.get("id"), str) and isinstance(call.get("name"), str)
    }


def answered_calls(entries: Iterable[Entry]) -> list[str]:
    """
    Return the ids of the calls whose results entries hold, as far as they can be found.
    """
    results = [block for entry in entries for block in entry.blocks("tool_result")]
    ids = [_name_or_none(result.get("tool_use_id")) for result in results]
    return [call_id for call_id in ids if call_id is not None]


def events_of(
    entry: Entry, key: TranscriptKey, tool_names: Mapping[str, str]
) -> list[Event]:
    """
    Return the events of an entry, with the entry whole in the first.

    Args:
        entry: Which.

        key: The transcript that it is of.

        tool_names: The names of tools, by the ids of calls whose results may be there.

    Raises:
        ValidationError: If the entry is not JSON.
    """
    message, run = entry.message, run_of(entry, key)
    events: list[Event] = []
    for place, said in enumerate(_said_by(entry, key), start=1):
        data: dict[str, Any] = dict(said.data)
        if said.type in _OF_MODEL:
            data["message_id"] = _name_or_none(message.get("id")) or entry.event_id
        if said.type is EventType.MESSAGE_RECEIVED:
            told = {name: message.get(name) for name in ("model", "stop_reason")}
            data |= {name: v for name, v in told.items() if isinstance(v, str)}
        call_id = data.get("tool_call_id")
        if said.type in _RESULTS:
            data["tool_name"] = tool_names.get(cast("str", call_id), _NO_NAME)
        changed = attrs.evolve(
            said,
            id=entry.id_of(place),
            data=data,
            # By this the call of a result is found, in a later batch.
            correlation_id=_name_or_none(call_id),
            run_id=None if run is None else run.id,
            provider=PROVIDER if said.type in _OF_MODEL else None,
        )
        events.append(changed)
    if not events:
        own = Event.new(
            type=ENTRY_TYPE,
            session_id=key.asm_id,
            id=entry.event_id,
            timestamp=entry.timestamp,
        )
        events.append(own)
    whole = {**events[0].data, _ORIGINAL: dict(entry.original)}
    return [attrs.evolve(events[0], data=whole), *events[1:]]


def _said_by(entry: Entry, key: TranscriptKey) -> list[Event]:
    content = entry.message.get("content")
    if not content:
        return []
    message = {"role": entry.original["type"], "content": content}
    try:
        return events_from_anthropic(
            [message], session_id=key.asm_id, timestamp=entry.timestamp
        )
    except ValidationError:
        # An entry is the SDK's own: what is no message that we know is kept as it is.
        return []


def run_of(entry: Entry, key: TranscriptKey) -> Run | None:
    """
    Return the request to the model that an entry is an answer to, with its tokens.

    An answer's blocks stand in several entries, each of which tells the tokens of all:
    they have one run, under the answer's id. What was copied into a fork was paid for
    where it comes from.
    """
    message, original = entry.message, entry.original
    message_id, usage = message.get("id"), message.get("usage")
    is_answer = original.get("type") == "assistant" and isinstance(message_id, str)
    if not is_answer or not isinstance(usage, dict) or "forkedFrom" in original:
        return None
    model = _name_or_none(message.get("model"))
    try:
        run = Run.new(
            session_id=key.asm_id,
            id=safe_id(_RUN_PREFIX, *key.parts, cast("str", message_id)),
            provider=PROVIDER,
            provider_metadata={} if model is None else {"model": model},
            started_at=entry.timestamp,
        )
        told = cast("Mapping[str, Any]", usage)
        counts = token_usage_of(told, provider=PROVIDER)
        run = attrs.evolve(run, token_usage=counts)
    except ValidationError:
        return None
    # What the SDK says itself, such as that a request failed, costs nothing.
    is_free = not any(counts.values())
    done = run.update_status(RunStatus.COMPLETED, at=entry.timestamp)
    return None if is_free else done


def originals_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """
    Return the entries that events hold; events of others hold none.
    """
    beginnings = f"{_ID_PREFIX}/", f"{_ID_PREFIX}."
    return [
        event.data[_ORIGINAL]
        for event in events
        if event.id.startswith(beginnings) and _ORIGINAL in event.data
    ]


def titles_of(entries: Collection[Entry], name: str) -> str | None:
    """
    Return the last title that entries give under *name*.
    """
    titles = [entry.original.get(name) for entry in entries]
    return next((t for t in reversed(titles) if isinstance(t, str) and t), None)


def _name_or_none(value: object) -> str | None:
    try:
        return fields.text(value, AGENT_ID)
    except ValidationError:
        return None
