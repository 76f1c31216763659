"""
Ids that sort by the time they were made.
"""

from __future__ import annotations

import os
import secrets
import struct
import time
from collections.abc import Callable

_NUMBERS_PER_BLOCK = 256


def _numbers_of_blocks() -> Callable[[], int]:
    """
    Make a source of random numbers that asks the system for many at a time.

    Each request is a system call that lets go of the interpreter's lock: as much as all
    the rest of an id.
    """
    # Threads share the block. Each number is taken by one of them, since pop is atomic,
    # and a block that two of them fetch at once is merely a longer one.
    block: list[int] = []
    # A process that is forked must not take the numbers that its parent takes.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=block.clear)

    def take() -> int:
        while True:
            try:
                return block.pop()
            except IndexError:
                random = os.urandom(8 * _NUMBERS_PER_BLOCK)
                block.extend(struct.unpack(f"{_NUMBERS_PER_BLOCK}Q", random))

    return take


_random_64_bits = _numbers_of_blocks()


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


def new_operation_id() -> str:
    """
    Mint an id for one call that saves: ``op_`` and 32 hexadecimal digits.
    """
    return f"op_{_uuid7():032x}"


def random_gap() -> int:
    """
    Return how much to leave out, 1 to 2**20, where another's history must not show.
    """
    return secrets.randbelow(2**20) + 1


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
        | _random_64_bits() >> 2
    )
