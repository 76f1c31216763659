"""
Arguments and results as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeGuard

import attrs

from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

__all__ = [
    "changes_of",
    "committed_of",
    "events_of",
    "execution_result_of",
    "plain",
]


def plain(value: Any) -> Any:
    """
    Return *value* as plain JSON; what no port takes or gives is given as its text.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Session | Run | Event | StateItem):
        return value.to_dict()
    if isinstance(value, ExecutionResult | Changes | Committed):
        value = attrs.asdict(value, recurse=False)
    if isinstance(value, datetime):
        return value.isoformat()
    if _is_list(value):
        return [plain(member) for member in value]
    if _is_mapping(value):
        return {str(key): plain(member) for key, member in value.items()}
    return repr(value)


def events_of(values: Sequence[Any]) -> tuple[Event, ...]:
    """
    Return the events that :func:`plain` made *values* of.
    """
    return tuple(Event.from_dict(value) for value in values)


def execution_result_of(value: Mapping[str, Any]) -> ExecutionResult:
    """
    Return the execution's result that :func:`plain` made *value* of.
    """
    run = value["run"]
    return ExecutionResult(
        session=_session_of(value["session"]),
        run=None if run is None else Run.from_dict(run),
        events=events_of(value["events"]),
    )


def changes_of(value: Mapping[str, Any]) -> Changes:
    """
    Return the changes that :func:`plain` made *value* of.
    """
    return Changes(
        create_session=_session_of(value["create_session"]),
        removed_items=tuple((scope, key) for scope, key in value["removed_items"]),
        **_members_of(value),
    )


def committed_of(value: Mapping[str, Any]) -> Committed:
    """
    Return what was committed that :func:`plain` made *value* of.
    """
    return Committed(**_members_of(value))


def _members_of(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "session": _session_of(value["session"]),
        "runs": tuple(map(Run.from_dict, value["runs"])),
        "events": events_of(value["events"]),
        "items": tuple(map(StateItem.from_dict, value["items"])),
    }


def _session_of(value: Mapping[str, Any] | None) -> Session | None:
    return None if value is None else Session.from_dict(value)


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)
