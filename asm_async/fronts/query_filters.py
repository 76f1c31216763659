"""
The filters of the query API, each in its one normal form.

A filter raises ``ValidationError``, with the argument's name at the start of the
message, where no stored value could meet it by its form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar, cast, get_args

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.paging import Order, Search, ordered_by
from asm_async.ports.query_api import MAX_TAGS_PER_SEARCH, TimeBucket
from asm_async.values import fields
from asm_async.values.event import EventType, event_type
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = ["EventSearch", "RunSearch", "SessionSearch", "UsageFilter"]


def _members(value: object, name: str, rule: fields.FieldRule) -> tuple[Any, ...]:
    """
    Accept an iterable of what obeys *rule*; each stands once, in order.
    """
    return tuple(sorted(set(fields.tuple_of(value, name, rule))))


def _optional_members(
    value: object, name: str, rule: fields.FieldRule
) -> tuple[Any, ...] | None:
    return None if value is None else _members(value, name, rule)


def _tags(value: object, name: str) -> tuple[str, ...]:
    tags = _members(value, name, fields.text)
    if len(tags) > MAX_TAGS_PER_SEARCH:
        raise ValidationError(
            f"{name}: expected at most {MAX_TAGS_PER_SEARCH} tags, got {len(tags)}"
        )
    return tags


def _statuses(
    value: object, name: str, kind: type[StrEnum]
) -> tuple[StrEnum, ...] | None:
    if isinstance(value, str):
        return (fields.choice(value, name, kind),)
    return _optional_members(value, name, partial(fields.choice, kind=kind))


def _optional_bucket(value: object, name: str) -> TimeBucket | None:
    if value is None:
        return None
    return cast("TimeBucket", fields.one_of(value, name, get_args(TimeBucket)))


@attrs.frozen(kw_only=True)
class SessionSearch(Search):
    """
    Which sessions to find: the filters of ``search_sessions``.
    """

    agent_id: str | None = None
    tenant_id: str | None = None
    status: SessionStatus | Collection[SessionStatus] | None = None
    provider: str | None = None
    tags: Collection[str] = ()
    parent_session_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    include_deleted: bool = False

    RESOURCE: ClassVar[str] = "sessions"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "created_at_asc": ordered_by(created_at=datetime, id=str),
        "created_at_desc": ordered_by(created_at=datetime, id=str, is_descending=True),
        "updated_at_desc": ordered_by(updated_at=datetime, id=str, is_descending=True),
    }
    _RULES: ClassVar[fields.FieldRules] = {
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
        "status": partial(_statuses, kind=SessionStatus),
        "provider": fields.optional_text,
        "tags": _tags,
        "parent_session_id": fields.optional_text,
        "created_after": fields.optional_utc_time,
        "created_before": fields.optional_utc_time,
        "include_deleted": fields.boolean,
    }

    @property
    def statuses(self) -> tuple[SessionStatus, ...] | None:
        """
        The statuses that are wanted; None for all.
        """
        return cast("tuple[SessionStatus, ...] | None", self.status)


@attrs.frozen(kw_only=True)
class RunSearch(Search):
    """
    Which runs to find: the filters of ``search_runs``.
    """

    session_id: str | None = None
    agent_id: str | None = None
    tenant_id: str | None = None
    provider: str | None = None
    status: RunStatus | Collection[RunStatus] | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    min_tokens: int | None = None

    RESOURCE: ClassVar[str] = "runs"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "started_at_desc": ordered_by(started_at=datetime, id=str, is_descending=True),
        "started_at_asc": ordered_by(started_at=datetime, id=str),
        "token_usage_desc": ordered_by(total_tokens=int, id=str, is_descending=True),
    }
    _RULES: ClassVar[fields.FieldRules] = {
        "session_id": fields.optional_text,
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
        "provider": fields.optional_text,
        "status": partial(_statuses, kind=RunStatus),
        "started_after": fields.optional_utc_time,
        "started_before": fields.optional_utc_time,
        "min_tokens": fields.optional_count,
    }

    @property
    def statuses(self) -> tuple[RunStatus, ...] | None:
        """
        The statuses that are wanted; None for all.
        """
        return cast("tuple[RunStatus, ...] | None", self.status)


@attrs.frozen(kw_only=True)
class EventSearch(Search):
    """
    Which events to find or count: the filters of ``search_events``.
    """

    session_ids: Collection[str] | None = None
    run_ids: Collection[str] | None = None
    types: Collection[EventType | str] | None = None
    providers: Collection[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    correlation_id: str | None = None
    tenant_id: str | None = None

    RESOURCE: ClassVar[str] = "events"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "sequence_asc": ordered_by(session_id=str, sequence_number=int),
        "timestamp_asc": ordered_by(
            timestamp=datetime, session_id=str, sequence_number=int
        ),
        "timestamp_desc": ordered_by(
            timestamp=datetime, session_id=str, sequence_number=int, is_descending=True
        ),
    }
    _RULES: ClassVar[fields.FieldRules] = {
        "session_ids": partial(_optional_members, rule=fields.text),
        "run_ids": partial(_optional_members, rule=fields.text),
        "types": partial(_optional_members, rule=event_type),
        "providers": partial(_optional_members, rule=fields.text),
        "since": fields.optional_utc_time,
        "until": fields.optional_utc_time,
        "correlation_id": fields.optional_text,
        "tenant_id": fields.optional_text,
    }


@attrs.frozen(kw_only=True)
class UsageFilter:
    """
    Which runs to add up, and over which buckets of time.
    """

    session_id: str | None = None
    agent_id: str | None = None
    tenant_id: str | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    bucket: TimeBucket | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "session_id": fields.optional_text,
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
        "provider": fields.optional_text,
        "since": fields.optional_utc_time,
        "until": fields.optional_utc_time,
        "bucket": _optional_bucket,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
