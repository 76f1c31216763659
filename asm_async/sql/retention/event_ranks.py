"""
Which events are pruned before which.
"""

from __future__ import annotations

import sqlalchemy as sa

from asm_async.sql.core.tables import events
from asm_async.values.event import EventType
from asm_async.values.retention import PROTECTED_EVENT_TYPES, RetentionPolicy

__all__ = ["rank", "ranks"]


def ranks(
    policy: RetentionPolicy, type_: sa.ColumnElement[EventType | str] = events.c.type
) -> list[sa.ColumnElement[bool]]:
    """
    Make the condition of each rank of events, those that are pruned first first.
    """
    is_first, is_protected = _is_first(policy, type_), _is_protected(type_)
    return [is_first, ~is_first & ~is_protected, is_protected]


def rank(policy: RetentionPolicy) -> sa.ColumnElement[int]:
    """
    Make the rank of an event, to sort by.
    """
    is_first, _, is_protected = ranks(policy)
    return sa.case((is_first, 0), (is_protected, 2), else_=1)


def _is_first(
    policy: RetentionPolicy, type_: sa.ColumnElement[EventType | str]
) -> sa.ColumnElement[bool]:
    return type_.in_([str(first) for first in policy.prune_event_types_first])


def _is_protected(type_: sa.ColumnElement[EventType | str]) -> sa.ColumnElement[bool]:
    return type_.in_([protected.value for protected in sorted(PROTECTED_EVENT_TYPES)])
