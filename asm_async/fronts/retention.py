"""
How a retention policy is read: its ages as moments, its batches as sizes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH
from asm_async.values import fields
from asm_async.values.retention import RetentionPolicy

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def sessions_per_batch(policy: RetentionPolicy) -> int:
    """
    Return how many sessions one transaction locks at most.
    """
    return min(policy.batch_size, MAX_SESSIONS_PER_BATCH)


def utc_now() -> datetime:
    """
    Return the present time.
    """
    return datetime.now(UTC)


@attrs.frozen(kw_only=True)
class Cutoffs:
    """
    A policy's ages as moments: what happened before one of them is too long ago.

    A session is too old if it was last active before *active* and its status is not
    exempt, before *completed* and it is over, too, or before *idle*, whatever its
    status; it is removed if it was soft-deleted before *deleted*.
    """

    active: datetime | None
    completed: datetime | None
    idle: datetime | None
    deleted: datetime | None

    @classmethod
    def of(cls, policy: RetentionPolicy, now: datetime) -> Cutoffs:
        """
        Count back from *now*.
        """
        return cls(
            active=_days_before(now, policy.max_session_age_days),
            completed=_days_before(now, policy.max_completed_session_age_days),
            idle=_days_before(now, policy.max_idle_days),
            deleted=_days_before(now, policy.hard_delete_after_days),
        )


def _days_before(now: datetime, days: int | None) -> datetime | None:
    if days is None:
        return None
    try:
        period = timedelta(days=days)
    except OverflowError:
        return _BEGINNING
    return time_ago(now, period)


def time_ago(now: datetime, period: timedelta) -> datetime:
    """
    Return the moment so long before *now*, or the first there is.
    """
    try:
        return now - period
    except OverflowError:
        return _BEGINNING


def checked_grace_period(grace_period: object) -> timedelta:
    """
    Refuse what is no time, or a negative one.
    """
    period = fields.instance(grace_period, "grace_period", timedelta)
    if period < timedelta(0):
        raise ValidationError("grace_period: expected zero or more")
    return period
