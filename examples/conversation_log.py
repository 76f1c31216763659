"""
How a chat conversation is stored in a log: as a session, its runs and their events.

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
from itertools import pairwise
from typing import Any, TypeAlias

from asm_async import Event, ExecutionResult, Run, RunStatus, Session, SessionStatus
from asm_async.conventions import (
    run_completed,
    run_started,
    session_completed,
    session_created,
)
from asm_async.transcripts import events_from_openai, transcript_of

__all__ = [
    "JSONObject",
    "executions_of",
    "rebuild_conversation",
    "session_id_of",
    "with_names",
]

JSONObject: TypeAlias = dict[str, Any]

# Messages have no times, and those of the clock would differ at each recording.
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
    for number, turn in enumerate(turns, start=1):
        is_last = number == len(turns)
        events = _events_of(turn, name, number, is_last=is_last)
        status = SessionStatus.COMPLETED if is_last else SessionStatus.ACTIVE
        yield ExecutionResult(
            session=session.update_status(status, at=events[-1].timestamp),
            run=_run(turn, events),
            events=tuple(events),
        )


def rebuild_conversation(session: Session, events: Iterable[Event]) -> JSONObject:
    """
    Return the conversation that a session and its events, in order, hold.
    """
    messages = transcript_of(events, session_id=session.id).to_openai()
    return {**session.metadata, _messages_key(session.metadata): messages}


def _messages_key(conversation: JSONObject) -> str:
    return "traj" if "traj" in conversation else "messages"


def _checked_messages(conversation: Any) -> list[JSONObject]:
    _check(isinstance(conversation, dict), "expected an object")
    key = _messages_key(conversation)
    _check(key in conversation, "there are no messages under 'traj' or 'messages'")
    messages: list[JSONObject] = conversation[key]
    events_from_openai(messages, session_id="ses_checked")
    return messages


def _check(is_right: bool, complaint: str) -> None:  # noqa: FBT001 - it is the claim
    if not is_right:
        raise ValueError(complaint)


def _split_turns(messages: list[JSONObject]) -> list[list[JSONObject]]:
    # Messages before the user's first one belong to the first turn.
    starts = [n for n, message in enumerate(messages) if message["role"] == "user"]
    return [messages[a:b] for a, b in pairwise([0, *starts[1:], len(messages)])]


def _events_of(
    turn: Sequence[JSONObject], name: str, number: int, *, is_last: bool
) -> list[Event]:
    session_id, run_id = session_id_of(name), f"run_{name}_{number}"
    prefix, moment = f"evt_{name}_{number}_", EPOCH + timedelta(seconds=number)
    started = run_started(
        id=f"{prefix}started", session_id=session_id, run_id=run_id, timestamp=moment
    )
    said = events_from_openai(
        turn, id_prefix=prefix, session_id=session_id, run_id=run_id, timestamp=moment
    )
    completed = run_completed(
        id=f"{prefix}completed", session_id=session_id, run_id=run_id, timestamp=moment
    )
    events = [started, *said, completed]
    if number == 1:
        created_id = f"evt_{name}_created"
        events.insert(
            0, session_created(id=created_id, session_id=session_id, timestamp=moment)
        )
    if is_last:
        ended_id = f"evt_{name}_ended"
        events.append(
            session_completed(id=ended_id, session_id=session_id, timestamp=moment)
        )
    return events


def _run(turn: Sequence[JSONObject], events: Sequence[Event]) -> Run:
    questions, answers = _contents(turn, "user"), _contents(turn, "assistant")
    run_id = next(event.run_id for event in events if event.run_id)
    return Run(
        id=run_id,
        session_id=events[0].session_id,
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
