"""
The filters of the session store, each in its one normal form.

A filter raises ``ValidationError``, with the argument's name at the start of the
message, where no stored value could meet it by its form.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import ClassVar, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import EventType, event_type
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = ["EventFilter", "RunFilter", "SessionFilter"]

E = TypeVar("E", bound=StrEnum)


def _optional_choice(value: object, name: str, kind: type[E]) -> E | None:
    return None if value is None else fields.choice(value, name, kind)


def _optional_event_type(value: object, name: str) -> EventType | str | None:
    return None if value is None else event_type(value, name)


def _optional_seconds(value: object, name: str) -> float | None:
    return None if value is None else fields.total_amount(value, name)


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
        "include_deleted": fields.boolean,
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
    Which of a session's events to return: what ``get_events`` takes.

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
