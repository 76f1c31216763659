"""
Values for tests: the same at every call, but for the fields that are given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import attrs

from asm_async.values.artifact import Artifact
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem

__all__ = [
    "NOON",
    "make_artifact",
    "make_event",
    "make_events",
    "make_execution_result",
    "make_item",
    "make_run",
    "make_session",
    "numbered",
    "run_of",
    "session_of",
]

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
"""
The time of everything that is not given another.
"""


def make_session(**fields: Any) -> Session:
    """
    Make the pending session ``ses_1`` of the agent ``assistant``.

    Args:
        fields: What shall be otherwise, by the names of the fields.
    """
    defaults: dict[str, Any] = {
        "id": "ses_1",
        "agent_id": "assistant",
        "status": SessionStatus.PENDING,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Session(**(defaults | fields))


def make_run(**fields: Any) -> Run:
    """
    Make the pending run ``run_1`` of session ``ses_1``.

    Args:
        fields: What shall be otherwise, by the names of the fields.
    """
    defaults: dict[str, Any] = {
        "id": "run_1",
        "session_id": "ses_1",
        "status": RunStatus.PENDING,
        "started_at": NOON,
    }
    return Run(**(defaults | fields))


def make_artifact(**fields: Any) -> Artifact:
    """
    Make the artifact ``art_1`` of session ``ses_1``: ``report.txt``, which is empty.

    Args:
        fields: What shall be otherwise, by the names of the fields.
    """
    defaults: dict[str, Any] = {
        "id": "art_1",
        "key": "report.txt",
        "session_id": "ses_1",
        "content_type": "text/plain",
        "byte_size": 0,
        "checksum_sha256": hashlib.sha256().hexdigest(),
        "storage_backend": "memory",
        "storage_ref": "somewhere",
        "created_at": NOON,
    }
    return Artifact(**(defaults | fields))


def make_item(**fields: Any) -> StateItem:
    """
    Make the state item ``theme`` of the scope ``app/user``, which holds nothing.

    Args:
        fields: What shall be otherwise, by the names of the fields.
    """
    defaults: dict[str, Any] = {"scope": "app/user", "key": "theme"}
    return StateItem(**(defaults | fields))


def make_event(**fields: Any) -> Event:
    """
    Make the event ``evt_1`` of session ``ses_1``: a message that was received.

    Args:
        fields: What shall be otherwise, by the names of the fields.
    """
    defaults: dict[str, Any] = {
        "id": "evt_1",
        "type": EventType.MESSAGE_RECEIVED,
        "timestamp": NOON,
        "session_id": "ses_1",
        "data": {"content": "hello"},
    }
    return Event(**(defaults | fields))


def make_events(count: int, *, first: int = 1, **fields: Any) -> list[Event]:
    """
    Make *count* events, whose ids are ``evt_`` and a number.

    Args:
        count: How many.

        first: The number of the first one.

        fields: What shall be otherwise in all of them.
    """
    numbers = range(first, first + count)
    return [make_event(id=f"evt_{number}", **fields) for number in numbers]


def make_execution_result(**fields: Any) -> ExecutionResult:
    """
    Make what the run ``run_1`` of session ``ses_1`` leaves behind: two events.

    Args:
        fields: What shall be otherwise, by the names of the fields.
    """
    defaults: dict[str, Any] = {
        "session": make_session(),
        "run": make_run(),
        "events": make_events(2, run_id="run_1"),
    }
    return ExecutionResult(**(defaults | fields))


def session_of(result: ExecutionResult) -> Session:
    """
    Return the session of a result that has one.
    """
    assert result.session is not None
    return result.session


def run_of(result: ExecutionResult) -> Run:
    """
    Return the run of a result that has one.
    """
    assert result.run is not None
    return result.run


def numbered(events: Iterable[Event], *, first: int = 1) -> list[Event]:
    """
    Return *events* as a session would that numbers them from *first* on.
    """
    return [
        attrs.evolve(event, sequence_number=number)
        for number, event in enumerate(events, start=first)
    ]
