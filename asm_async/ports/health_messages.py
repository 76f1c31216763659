"""
The words for what can be wrong with a session, the same from every adapter.
"""

from __future__ import annotations

__all__ = [
    "MISSING_SEQUENCE",
    "disagreement",
    "open_sequence",
    "orphans",
    "sequence_mismatch",
    "unknown_status",
]

MISSING_SEQUENCE = "the session has no counter, so that nothing can be appended to it"


def sequence_mismatch(latest: int, pruned: int, stored: int, highest: int) -> str:
    """
    Say that a counter does not agree with the events.
    """
    return (
        f"the latest number is {latest}, but {stored} events are stored, numbered up to"
        f" {highest}, and {pruned} were pruned"
    )


def open_sequence(latest: int) -> str:
    """
    Say that a counter has no session.
    """
    return f"a counter is open at {latest}, but there is no such session"


def orphans(count: int, what: str) -> str:
    """
    Say that something has no session.
    """
    return f"{count} {what} belong to a session that does not exist"


def unknown_status(what: str, status: str) -> str:
    """
    Say that a status is none.
    """
    return f"the {what} has the status {status!a}, which is none"


def disagreement(*, is_deleted: bool, state: str) -> str:
    """
    Say that a session and its counter disagree on whether it was deleted.
    """
    found = "soft-deleted" if is_deleted else "not deleted"
    return f"the session is {found}, but its counter says {state!a}"
