"""
What every adapter of the session store checks before it does anything else.

One place, so that the adapters refuse the same arguments in the same words. Whatever
stands here gives its arguments in normal form or raises ``ValidationError``, with the
argument's name at the start of the message.

Values that are to be written come back as copies: the JSON in them is looked at again,
and what the caller does to it while the call waits for the database changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import ClassVar, TypeVar, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH
from asm_async.values import fields
from asm_async.values.event import Event, EventType, event_type
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = [
    "EventFilter",
    "RunFilter",
    "SessionFilter",
    "check_batch",
    "check_bool",
    "check_execution_result",
    "check_expected_revision",
    "check_id",
    "check_run",
    "check_session",
]

E = TypeVar("E", bound=StrEnum)
V = TypeVar("V", Session, Run)


def check_id(value: object, name: str) -> str:
    """
    Accept an id.
    """
    return fields.text(value, name)


def check_bool(value: object, name: str) -> bool:
    """
    Accept True or False.
    """
    if not isinstance(value, bool):
        raise _unexpected(value, name, "True or False")
    return value


def check_session(session: object) -> Session:
    """
    Accept a session that may be saved.
    """
    if not isinstance(session, Session):
        raise _unexpected(session, "session", "a Session")
    if session.deleted_at is not None:
        raise ValidationError(
            f"session: {session.id!r} carries deleted_at, which only the store gives"
        )
    return _copy(session, "session")


def check_run(run: object) -> Run:
    """
    Accept a run.
    """
    if not isinstance(run, Run):
        raise _unexpected(run, "run", "a Run")
    return _copy(run, "run")


def check_expected_revision(value: object) -> int | None:
    """
    Accept the revision a caller may expect.
    """
    return fields.optional_count(value, "expected_revision")


def check_batch(
    events: object, expected_sequence: object
) -> tuple[tuple[Event, ...], int | None]:
    """
    Accept the events of one append, and the latest number its caller may expect.

    Returns:
        The events, copied, in the order given, and the expectation.
    """
    batch = _unnumbered_events(events, "events")
    expected = fields.optional_count(expected_sequence, "expected_sequence")
    session_count = len({event.session_id for event in batch})
    if session_count > MAX_SESSIONS_PER_BATCH:
        raise ValidationError(
            f"events: they belong to {session_count} sessions; a batch may have"
            f" {MAX_SESSIONS_PER_BATCH}"
        )
    if expected is not None and session_count > 1:
        raise ValidationError(
            "expected_sequence: needs events of one session, and these belong to"
            f" {session_count}"
        )
    return batch, expected


def check_execution_result(
    result: object, expected_sequence: object
) -> tuple[ExecutionResult, int | None]:
    """
    Accept what is to be flushed, and the latest number its caller may expect.

    Returns:
        The execution's result and the expectation.
    """
    if not isinstance(result, ExecutionResult):
        raise _unexpected(result, "result", "an ExecutionResult")
    expected = fields.optional_count(expected_sequence, "expected_sequence")
    try:
        copy = attrs.evolve(
            result,
            session=check_session(result.session),
            run=check_run(result.run),
            events=_unnumbered_events(result.events, "events"),
        )
    except ValidationError as error:
        raise ValidationError(f"result.{error}") from None
    return copy, expected


def _unnumbered_events(events: object, name: str) -> tuple[Event, ...]:
    kind = type(events).__name__
    if isinstance(events, str | Mapping) or not isinstance(events, Iterable):
        raise ValidationError(f"{name}: expected a list of events, got a {kind}")
    members = enumerate(cast("Iterable[object]", events))
    return tuple([_unnumbered(event, name, index) for index, event in members])


def _unnumbered(event: object, name: str, index: int) -> Event:
    if not isinstance(event, Event):
        raise _unexpected(event, f"{name}[{index}]", "an Event")
    if event.sequence_number:
        raise ValidationError(
            f"{name}[{index}]: {event.id!r} carries the sequence number"
            f" {event.sequence_number}, which only the store gives"
        )
    try:
        return event.copied()
    except ValidationError as error:
        raise ValidationError(f"{name}[{index}].{error}") from None


def _unexpected(value: object, name: str, wanted: str) -> ValidationError:
    return ValidationError(f"{name}: expected {wanted}, got a {type(value).__name__}")


def _copy(value: V, name: str) -> V:
    try:
        return attrs.evolve(value)
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None


def _optional_choice(value: object, name: str, kind: type[E]) -> E | None:
    return None if value is None else fields.choice(value, name, kind)


def _optional_event_type(value: object, name: str) -> EventType | str | None:
    return None if value is None else event_type(value, name)


def _optional_seconds(value: object, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError(
            f"{name}: expected a number of seconds, got a {type(value).__name__}"
        )
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf if value > 0 else -math.inf
    if not 0 <= seconds < math.inf:
        raise ValidationError(
            f"{name}: expected a finite number of seconds >= 0, got {seconds}"
        )
    return seconds


@attrs.frozen(kw_only=True)
class SessionFilter:
    """
    Which sessions to list: what ``list_sessions`` takes.
    """

    status: SessionStatus | None = None
    agent_id: str | None = None
    tenant_id: str | None = None
    include_deleted: bool = False
    limit: int | None = None
    offset: int = 0

    _RULES: ClassVar[fields.FieldRules] = {
        "status": partial(_optional_choice, kind=SessionStatus),
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
        "include_deleted": check_bool,
        "limit": fields.optional_count,
        "offset": fields.count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class RunFilter:
    """
    Which of a session's runs to list: what ``list_runs`` takes.
    """

    status: RunStatus | None = None
    limit: int | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "status": partial(_optional_choice, kind=RunStatus),
        "limit": fields.optional_count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class EventFilter:
    """
    Which of a session's events to give: what ``get_events`` takes.

    Where *limit* or *last* is 0 there is nothing to wait for: *wait_timeout* is None.
    """

    run_id: str | None = None
    type: EventType | str | None = None
    since: datetime | None = None
    after: int | None = None
    before: int | None = None
    limit: int | None = None
    last: int | None = None
    wait_timeout: float | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "run_id": fields.optional_text,
        "type": _optional_event_type,
        "since": fields.optional_utc_time,
        "after": fields.optional_count,
        "before": fields.optional_count,
        "limit": fields.optional_count,
        "last": fields.optional_count,
        "wait_timeout": _optional_seconds,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
        if self.limit is not None and self.last is not None:
            raise ValidationError("limit: cannot be given together with last")
        if 0 in (self.limit, self.last):
            object.__setattr__(self, "wait_timeout", None)
