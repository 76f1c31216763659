"""
How a chat conversation lies in a log: as a session, its runs and their events.

Everything is derived from the conversation, also ids and times, so that recording it
again gives the same events and a store recognises them. :func:`rebuild_conversation` is
the way back.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any, TypeAlias

from asm_async import (
    Event,
    EventType,
    ExecutionResult,
    Run,
    RunStatus,
    Session,
    SessionStatus,
)

__all__ = [
    "MESSAGE_EVENTS",
    "JSONObject",
    "executions_of",
    "rebuild_conversation",
    "session_id_of",
    "with_names",
]

JSONObject: TypeAlias = dict[str, Any]
Step: TypeAlias = tuple[EventType, JSONObject]

MESSAGE_EVENTS = {
    "system": EventType.MESSAGE_SENT,
    "user": EventType.MESSAGE_SENT,
    "assistant": EventType.MESSAGE_RECEIVED,
    "tool": EventType.TOOL_CALL_COMPLETED,
}
"""
What a message of each role is, seen from beside the agent.
"""

SESSION_EVENTS = {EventType.SESSION_CREATED, EventType.SESSION_COMPLETED}

# The messages carry no times, and the clock would give other ones on each recording.
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


def with_names(conversations: Any) -> Iterator[tuple[str, Any]]:
    """
    Yield each conversation with a name of its own, made of its content.

    The second of two equal conversations gets another name than the first; where a
    conversation stands among different ones does not matter.

    Raises:
        ValueError: If *conversations* is not a list.
    """
    _check(isinstance(conversations, list), "expected conversations in [ and ]")
    seen: Counter[bytes] = Counter()
    for conversation in conversations:
        digest = hashlib.sha256(json.dumps(conversation).encode())
        content = digest.digest()
        seen[content] += 1
        digest.update(b"%d" % seen[content])
        yield digest.hexdigest()[:32], conversation


def session_id_of(name: str) -> str:
    """
    Return the id of the session that holds the conversation of this name.
    """
    return f"ses_{name}"


def executions_of(conversation: Any, name: str) -> Iterator[ExecutionResult]:
    """
    Yield what to store: one execution for each turn, with the session's status.

    Raises:
        ValueError: Naming what is no conversation, or not JSON as a store keeps it.
    """
    turns = _split_turns(_checked_messages(conversation))
    session = Session.new(
        id=session_id_of(name),
        agent_id="recorded-agent",
        # The empty list keeps the messages' place among the other fields.
        metadata={**conversation, _messages_key(conversation): []},
        created_at=EPOCH,
    )
    number = 0
    for turn_number, turn in enumerate(turns, start=1):
        is_last = turn_number == len(turns)
        run_id = f"run_{name}_{turn_number}"
        steps = _steps_of(turn, is_first=turn_number == 1, is_last=is_last)
        events = [
            _event(name, run_id, number, step)
            for number, step in enumerate(steps, start=number + 1)
        ]
        number += len(events)
        status = SessionStatus.COMPLETED if is_last else SessionStatus.ACTIVE
        yield ExecutionResult(
            session=session.update_status(status, at=events[-1].timestamp),
            run=_run(session.id, run_id, turn, events),
            events=tuple(events),
        )


def rebuild_conversation(session: Session, events: Iterable[Event]) -> JSONObject:
    """
    Return the conversation that a session and its events, in order, hold.
    """
    messages: list[JSONObject] = []
    for event in events:
        if event.type is EventType.TOOL_CALL_STARTED:
            calls = messages[-1]["tool_calls"]
            messages[-1]["tool_calls"] = [*calls, event.data]
        elif event.type in MESSAGE_EVENTS.values():
            messages.append(dict(event.data))
    return {**session.metadata, _messages_key(session.metadata): messages}


def _messages_key(conversation: JSONObject) -> str:
    return "traj" if "traj" in conversation else "messages"


def _checked_messages(conversation: Any) -> list[JSONObject]:
    _check(isinstance(conversation, dict), "expected an object")
    key = _messages_key(conversation)
    _check(key in conversation, "there are no messages under 'traj' or 'messages'")
    messages = _objects(conversation[key], key)
    roles = list(MESSAGE_EVENTS)
    for index, message in enumerate(messages):
        path, role = f"{key}[{index}]", message.get("role")
        _check(role in roles, f"{path}: role {role!r} is none of {', '.join(roles)}")
        _objects(message.get("tool_calls") or [], f"{path}.tool_calls")
    return messages


def _objects(value: Any, path: str) -> list[JSONObject]:
    _check(isinstance(value, list), f"{path}: expected a list")
    for index, member in enumerate(value):
        _check(isinstance(member, dict), f"{path}[{index}]: expected an object")
    objects: list[JSONObject] = value
    return objects


def _check(is_right: bool, complaint: str) -> None:  # noqa: FBT001 - it is the claim
    if not is_right:
        raise ValueError(complaint)


def _split_turns(messages: list[JSONObject]) -> list[list[JSONObject]]:
    # What stands before the user's first message belongs to the first turn.
    starts = [n for n, message in enumerate(messages) if message["role"] == "user"]
    return [messages[a:b] for a, b in pairwise([0, *starts[1:], len(messages)])]


def _steps_of(
    turn: Sequence[JSONObject], *, is_first: bool, is_last: bool
) -> Iterator[Step]:
    if is_first:
        yield EventType.SESSION_CREATED, {}
    yield EventType.RUN_STARTED, {}
    yield from chain.from_iterable(map(_message_steps, turn))
    yield EventType.RUN_COMPLETED, {}
    if is_last:
        yield EventType.SESSION_COMPLETED, {}


def _message_steps(message: JSONObject) -> Iterator[Step]:
    calls: list[JSONObject] = message.get("tool_calls") or []
    # The calls have events of their own; the empty list keeps their place.
    kept: JSONObject = {"tool_calls": []} if calls else {}
    yield MESSAGE_EVENTS[message["role"]], message | kept
    for call in calls:
        yield EventType.TOOL_CALL_STARTED, call


def _event(name: str, run_id: str, number: int, step: Step) -> Event:
    type_, data = step
    return Event.new(
        id=f"evt_{name}_{number}",
        type=type_,
        session_id=session_id_of(name),
        run_id=None if type_ in SESSION_EVENTS else run_id,
        data=data,
        timestamp=EPOCH + timedelta(seconds=number),
    )


def _run(
    session_id: str, run_id: str, turn: Sequence[JSONObject], events: Sequence[Event]
) -> Run:
    questions, answers = _contents(turn, "user"), _contents(turn, "assistant")
    return Run(
        id=run_id,
        session_id=session_id,
        # A run may be recorded after the fact, in the status in which it ended.
        status=RunStatus.COMPLETED,
        started_at=events[0].timestamp,
        ended_at=events[-1].timestamp,
        input=questions[0] if questions else None,
        output=answers[-1] if answers else None,
        turn_count=len(answers),
    )


def _contents(turn: Sequence[JSONObject], role: str) -> list[Any]:
    return [message.get("content") for message in turn if message["role"] == role]
