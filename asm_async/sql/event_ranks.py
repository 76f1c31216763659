"""
Which events are pruned before which.
"""

from __future__ import annotations

import sqlalchemy as sa

from asm_async.sql.tables import events
from asm_async.values.retention import PROTECTED_EVENT_TYPES, RetentionPolicy

__all__ = ["rank", "ranks"]


def ranks(policy: RetentionPolicy) -> list[sa.ColumnElement[bool]]:
    """
    Make the condition of each rank of events, those that are pruned first first.
    """
    is_first, is_protected = _is_first(policy), _is_protected()
    return [is_first, ~is_first & ~is_protected, is_protected]


def rank(policy: RetentionPolicy) -> sa.ColumnElement[int]:
    """
    Make the rank of an event, to sort by.
    """
    return sa.case((_is_first(policy), 0), (_is_protected(), 2), else_=1)


def _is_first(policy: RetentionPolicy) -> sa.ColumnElement[bool]:
    return events.c.type.in_([str(type_) for type_ in policy.prune_event_types_first])


def _is_protected() -> sa.ColumnElement[bool]:
    return events.c.type.in_([type_.value for type_ in sorted(PROTECTED_EVENT_TYPES)])
