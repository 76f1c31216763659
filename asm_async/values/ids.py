"""
Ids that sort by the time they were made.
"""

from __future__ import annotations

import secrets
import time

__all__ = ["new_artifact_id", "new_event_id", "new_run_id", "new_session_id"]


def new_session_id() -> str:
    """
    Mint an id for a session: ``ses_`` and 32 hexadecimal digits.
    """
    return f"ses_{_uuid7():032x}"


def new_run_id() -> str:
    """
    Mint an id for a run: ``run_`` and 32 hexadecimal digits.
    """
    return f"run_{_uuid7():032x}"


def new_event_id() -> str:
    """
    Mint an id for an event: ``evt_`` and 32 hexadecimal digits.
    """
    return f"evt_{_uuid7():032x}"


def new_artifact_id() -> str:
    """
    Mint an id for an artifact: ``art_`` and 32 hexadecimal digits.
    """
    return f"art_{_uuid7():032x}"


def _uuid7() -> int:
    """
    Make a UUIDv7 (RFC 9562, section 5.7) as a 128-bit integer.

    Its first 48 bits are milliseconds since 1970; the 12 bits behind the version hold
    the fraction of the millisecond (section 6.2, method 3), so that ids of one process
    ascend without any state; the 62 bits behind the variant are random.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    return (
        (milliseconds & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | fraction << 64
        | 0b10 << 62
        | secrets.randbits(62)
    )
