"""
How long sessions and events are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Annotated, TypeAlias, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import EventType, event_type
from asm_async.values.fields import PositiveCount, Tags
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport
from asm_async.values.value import Value

Archive: TypeAlias = Callable[[SessionExport], Awaitable[object]]
"""
Puts a session where it will be kept; returns when it is safe there.
"""

PROTECTED_EVENT_TYPES = frozenset(
    {
        EventType.SESSION_CREATED,
        EventType.RUN_STARTED,
        EventType.RUN_COMPLETED,
        EventType.RUN_FAILED,
        EventType.ERROR_OCCURRED,
    }
)
"""
The types that outline a session: pruned only when nothing else is left to prune.
"""


def _archive(value: object, name: str) -> Archive:
    # An object is called by its class's __call__; a class is called to make objects.
    call = type(value).__call__
    is_async = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(call)
    if not is_async:
        raise fields.unexpected(name, "an async callable", value)
    return cast("Archive", value)


def _unique_statuses(value: object, name: str) -> tuple[SessionStatus, ...]:
    rule = partial(fields.choice, kind=SessionStatus)
    return tuple(dict.fromkeys(fields.several(value, name, rule)))


def _prunable_types(value: object, name: str) -> tuple[EventType | str, ...]:
    types = tuple(dict.fromkeys(fields.several(value, name, event_type)))
    for known in types:
        if known in PROTECTED_EVENT_TYPES:
            raise ValidationError(
                f"{name}: {str(known)!r} is protected: it is always pruned last"
            )
    return types


_Statuses: TypeAlias = Annotated[tuple[SessionStatus, ...], _unique_statuses]
_PrunableTypes: TypeAlias = Annotated[tuple[EventType | str, ...], _prunable_types]


@attrs.frozen(kw_only=True)
class RetentionPolicy(Value):
    """
    How long sessions and events are kept.

    Ages are whole days of 24 hours, numbers of events whole numbers, each at least 1;
    None means no limit. A session's age counts from its *last_activity_at*, so that
    what was written to a moment ago is never too old.

    Raises:
        ValidationError: Naming the field that is wrong.
    """

    max_session_age_days: PositiveCount | None = None
    """
    Sessions that were last active longer ago are soft-deleted, over or not.
    """

    max_completed_session_age_days: PositiveCount | None = 90
    """
    Sessions that have ended and were last active longer ago are soft-deleted.
    """

    max_idle_days: PositiveCount | None = None
    """
    Sessions that were last active longer ago are soft-deleted, whatever their status.

    No status is exempt from that; the tags of *exempt_tags* are.
    """

    max_events_per_session: PositiveCount | None = None
    """
    Sessions that hold more events are pruned to so many.
    """

    max_total_events: PositiveCount | None = None
    """
    If all sessions together hold more events, they are pruned to so many.

    Those of sessions with an exempt tag count, and stay.
    """

    hard_delete_after_days: PositiveCount | None = 30
    """
    Sessions that were soft-deleted longer ago are removed permanently.
    """

    archive: Annotated[Archive, _archive] | None = None
    """
    An async callable that is given each session before it is removed permanently.

    The session is removed only after the call has returned; if it raises, the session
    stays.
    """

    exempt_statuses: _Statuses = (
        SessionStatus.ACTIVE,
        SessionStatus.PAUSED,
    )
    """
    Sessions with these statuses never become too old, except by *max_idle_days*.
    """

    exempt_tags: Tags = ("pinned",)
    """
    Sessions with one of these tags never grow too old, and keep all their events.
    """

    prune_event_types_first: _PrunableTypes = (
        EventType.MESSAGE_STREAMED,
        EventType.TOKEN_USAGE_UPDATED,
    )
    """
    Events of these types are pruned before all others; none of them may be protected.
    """

    batch_size: PositiveCount = 100
    """
    How many sessions one transaction deletes or prunes at most; never more than 1,000.
    """

    @classmethod
    def new(
        cls,
        *,
        max_session_age_days: int | None = None,
        max_completed_session_age_days: int | None = 90,
        max_idle_days: int | None = None,
        max_events_per_session: int | None = None,
        max_total_events: int | None = None,
        hard_delete_after_days: int | None = 30,
        archive: Archive | None = None,
        exempt_statuses: SessionStatus | Iterable[SessionStatus] = (
            SessionStatus.ACTIVE,
            SessionStatus.PAUSED,
        ),
        exempt_tags: Iterable[str] = ("pinned",),
        prune_event_types_first: EventType | str | Iterable[EventType | str] = (
            EventType.MESSAGE_STREAMED,
            EventType.TOKEN_USAGE_UPDATED,
        ),
        batch_size: int = 100,
    ) -> RetentionPolicy:
        """
        Make a policy, of any iterables and of one status or type instead of several.

        Raises:
            ValidationError: Naming the field that is wrong.
        """
        return cls(
            max_session_age_days=max_session_age_days,
            max_completed_session_age_days=max_completed_session_age_days,
            max_idle_days=max_idle_days,
            max_events_per_session=max_events_per_session,
            max_total_events=max_total_events,
            hard_delete_after_days=hard_delete_after_days,
            archive=archive,
            exempt_statuses=cast("tuple[SessionStatus, ...]", exempt_statuses),
            exempt_tags=cast("tuple[str, ...]", exempt_tags),
            prune_event_types_first=cast(
                "tuple[EventType | str, ...]", prune_event_types_first
            ),
            batch_size=batch_size,
        )
