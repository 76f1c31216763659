"""
How to wait for a database that is busy, and for how long.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asm_async.errors import StorageError, ValidationError
from asm_async.values import fields

_FIRST_PAUSE_SECONDS = 0.005
_MAX_DOUBLINGS = 6

GRACE_SECONDS = 0.5
"""
How long after a deadline a database that was told of it may still answer.

What waits for a lock until the deadline, in the database, began to wait a little later,
and is about to say that it got none. A connection that is silent then is given up.
"""

MAX_CUT_SHORT = 2
"""
How often to repeat what the server cancelled, since it may do so each time.
"""


def check_timeout(timeout: object, name: str = "timeout") -> float:
    """
    Accept a finite number of seconds above 0.

    Raises:
        ValidationError: If *timeout* is none; the message starts with *name*.
    """
    seconds = fields.total_amount(timeout, name)
    if not seconds:
        raise ValidationError(f"{name}: expected more than 0 seconds")
    return seconds


@asynccontextmanager
async def in_time(deadline: float, failure: StorageError) -> AsyncGenerator[None]:
    """
    Bound a wait, for which pools and drivers have bounds of their own.

    Once *deadline*, on the loop's clock, has passed, *failure* is raised.
    """
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise failure from error


def pause_after(failures: int) -> float:
    """
    Return the seconds to wait before the next try.

    They grow with each failure, up to 0.3, and differ for any two that wait, so that
    these do not collide again.
    """
    longest = _FIRST_PAUSE_SECONDS * 2 ** min(failures, _MAX_DOUBLINGS)
    return random.uniform(longest / 2, longest)  # noqa: S311 - nothing is secret here
