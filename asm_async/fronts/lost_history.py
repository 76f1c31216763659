"""
How it is told that a log does not hold what a follower was given, and what is said.
"""

from __future__ import annotations

import logging

from asm_async.errors import HistoryLostError
from asm_async.fronts.log_records import LogThrottle
from asm_async.values.checkpoint import Witness

_LOG = logging.getLogger(__name__)

_ADVICE = (
    "a failover has lost commits, or an older state of the database was restored. Begin"
    " again: docs/explanation/following.md, 'When history goes backwards'"
)


def is_lost(
    witness: Witness, *, mark: int | None, is_moved: bool, latest: int | None
) -> bool:
    """
    Return whether an event that was given once is not of this history.

    An event that was pruned, or deleted with its session, is missing as one that was
    lost is; but the session's counter, which stays, has come as far as its number.

    Args:
        witness: The event.

        mark: That of the event which has its number now; None if there is none.

        is_moved: Whether that event stands at another place of the feed.

        latest: The session's latest number; None if there never was such a session.
    """
    if mark is not None:
        return is_moved or mark != witness.mark
    return latest is None or latest < witness.sequence_number


def ahead(throttle: LogThrottle) -> HistoryLostError:
    """
    Log and return the error for a checkpoint that no event of the log has reached.
    """
    return _logged(
        throttle,
        "checkpoint: it is ahead of this feed. Either it belongs to another database,"
        f" or {_ADVICE}",
    )


def gone(throttle: LogThrottle, witness: Witness, name: str) -> HistoryLostError:
    """
    Log and return the error for an event that is not where it was given.

    What it says begins with *name*.
    """
    return _logged(
        throttle,
        f"{name}: event {witness.sequence_number} of session {witness.session_id!r} is"
        f" not the one that was read before: {_ADVICE}",
    )


def restored(throttle: LogThrottle, name: str) -> HistoryLostError:
    """
    Log and return the error for a log that was copied to another server.

    It is in its old order there, and new events are not.
    """
    return _logged(
        throttle,
        f"{name}: the events were restored from a dump, and their transaction ids come"
        " from another server, so that new events may sort before old ones. Repair the"
        " order and begin again: docs/explanation/following.md, 'When history goes"
        " backwards'",
    )


def _logged(throttle: LogThrottle, message: str) -> HistoryLostError:
    throttle.log(_LOG, logging.WARNING, "a follower was refused: %s", message)
    return HistoryLostError(message)
