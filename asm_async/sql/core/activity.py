"""
The coarse time by which sessions are found in the order of their last activity.

Each counter row has the exact time, *updated_at*, and *active_until*, which is indexed:
``active_until - SLACK <= updated_at <= active_until``, at every commit. So the latest N
by the coarse time hold none that is older than what lies SLACK before the last of them,
and all that can belong among them have a coarse time at least as late as the earliest
of their exact ones.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SLACK = timedelta(minutes=1)
"""
How far the coarse time may lie behind the exact one: what of it has to be moved later.
"""

_END = datetime.max.replace(tzinfo=UTC)


def is_current(coarse: datetime | None, exact: datetime) -> bool:
    """
    Return whether the coarse time may stay as it is when the exact one becomes this.

    It may not where the clock was set back, either.
    """
    return coarse is not None and exact <= coarse <= latest_coarse(exact)


def latest_coarse(exact: datetime) -> datetime:
    """
    Return the latest coarse time that goes with an exact one; where it is moved to.
    """
    return min(exact, _END - SLACK) + SLACK
