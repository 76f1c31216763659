"""
The filters of the query API, each in its one normal form.

A filter raises ``ValidationError``, with the argument's name at the start of the
message, where no stored value could meet it by its form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias, get_args

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.paging import Order, Search, ordered_by
from asm_async.ports.query_api import (
    MAX_TAGS_PER_SEARCH,
    TimeBucket,
    UsageDimension,
)
from asm_async.values import fields
from asm_async.values.event import EventType, event_type
from asm_async.values.fields import Count, Text, UTCTime
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus
from asm_async.values.value import Value


def _members(value: object, name: str, rule: fields.FieldRule) -> tuple[Any, ...]:
    """
    Accept an iterable of what obeys *rule*; each is kept once, in order.
    """
    return tuple(sorted(set(fields.tuple_of(value, name, rule))))


def _tags(value: object, name: str) -> tuple[str, ...]:
    tags = _members(value, name, fields.text)
    if len(tags) > MAX_TAGS_PER_SEARCH:
        raise ValidationError(
            f"{name}: expected at most {MAX_TAGS_PER_SEARCH} tags, got {len(tags)}"
        )
    return tags


def _choices(value: object, name: str, rule: fields.FieldRule) -> tuple[Any, ...]:
    """
    Accept what obeys *rule*, or an iterable of such; each is kept once, in order.
    """
    return tuple(sorted(set(fields.several(value, name, rule))))


def _dimensions(value: object, name: str) -> tuple[Any, ...]:
    # In the order given, which is that of the groups.
    rule = partial(fields.one_of, known=get_args(UsageDimension))
    return tuple(dict.fromkeys(fields.several(value, name, rule)))


_Texts: TypeAlias = Annotated[Collection[str], partial(_members, rule=fields.text)]
EventTypes: TypeAlias = Annotated[
    Collection[EventType | str], partial(_choices, rule=event_type)
]
"""
One type of event, or several, each once and in order.
"""

_SessionStatuses: TypeAlias = Annotated[
    Collection[SessionStatus],
    partial(_choices, rule=partial(fields.choice, kind=SessionStatus)),
]
_RunStatuses: TypeAlias = Annotated[
    Collection[RunStatus],
    partial(_choices, rule=partial(fields.choice, kind=RunStatus)),
]
_Bucket: TypeAlias = Annotated[
    TimeBucket, partial(fields.one_of, known=get_args(TimeBucket))
]


@attrs.frozen(kw_only=True)
class SessionSearch(Search):
    """
    Which sessions to find: the filters of ``search_sessions``.
    """

    agent_id: Text | None = None
    tenant_id: Text | None = None
    user_id: Text | None = None
    status: _SessionStatuses | None = None
    provider: Text | None = None
    tags: Annotated[Collection[str], _tags] = ()
    parent_session_id: Text | None = None
    created_after: UTCTime | None = None
    created_before: UTCTime | None = None
    include_deleted: bool = False
    with_context: bool = True

    NO_FILTERS: ClassVar[frozenset[str]] = frozenset({"with_context"})
    RESOURCE: ClassVar[str] = "sessions"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "created_at_asc": ordered_by(created_at=datetime, id=str),
        "created_at_desc": ordered_by(created_at=datetime, id=str, is_descending=True),
        "updated_at_desc": ordered_by(updated_at=datetime, id=str, is_descending=True),
        "last_activity_desc": ordered_by(
            last_activity_at=datetime, id=str, is_descending=True
        ),
    }


@attrs.frozen(kw_only=True)
class RunSearch(Search):
    """
    Which runs to find: the filters of ``search_runs``.
    """

    session_id: Text | None = None
    agent_id: Text | None = None
    tenant_id: Text | None = None
    user_id: Text | None = None
    provider: Text | None = None
    status: _RunStatuses | None = None
    started_after: UTCTime | None = None
    started_before: UTCTime | None = None
    min_tokens: Count | None = None

    RESOURCE: ClassVar[str] = "runs"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "started_at_desc": ordered_by(started_at=datetime, id=str, is_descending=True),
        "started_at_asc": ordered_by(started_at=datetime, id=str),
        "token_usage_desc": ordered_by(total_tokens=int, id=str, is_descending=True),
    }


@attrs.frozen(kw_only=True)
class EventSearch(Search):
    """
    Which events to find or count: the filters of ``search_events``.
    """

    session_ids: _Texts | None = None
    run_ids: _Texts | None = None
    types: EventTypes | None = None
    providers: _Texts | None = None
    since: UTCTime | None = None
    until: UTCTime | None = None
    correlation_id: Text | None = None
    tenant_id: Text | None = None
    user_id: Text | None = None

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


@attrs.frozen(kw_only=True)
class UsageFilter(Value):
    """
    Which runs to add up, over which buckets of time and by what.
    """

    session_id: Text | None = None
    agent_id: Text | None = None
    tenant_id: Text | None = None
    user_id: Text | None = None
    provider: Text | None = None
    since: UTCTime | None = None
    until: UTCTime | None = None
    bucket: _Bucket | None = None
    group_by: Annotated[Collection[UsageDimension], _dimensions] = ()
