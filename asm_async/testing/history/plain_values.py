"""
Arguments and results as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeGuard

from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["events_of", "execution_result_of", "plain"]


def plain(value: Any) -> Any:
    """
    Give *value* as plain JSON; what no port takes or gives is given as its text.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Session | Run | Event):
        return value.to_dict()
    if isinstance(value, ExecutionResult):
        return {
            "session": plain(value.session),
            "run": plain(value.run),
            "events": [event.to_dict() for event in value.events],
        }
    if isinstance(value, datetime):
        return value.isoformat()
    if _is_list(value):
        return [plain(member) for member in value]
    return repr(value)


def events_of(values: Sequence[Any]) -> tuple[Event, ...]:
    """
    Give the events that :func:`plain` made *values* of.
    """
    return tuple(Event.from_dict(value) for value in values)


def execution_result_of(value: Mapping[str, Any]) -> ExecutionResult:
    """
    Give the execution's result that :func:`plain` made *value* of.
    """
    session, run = value["session"], value["run"]
    return ExecutionResult(
        session=None if session is None else Session.from_dict(session),
        run=None if run is None else Run.from_dict(run),
        events=events_of(value["events"]),
    )


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)
