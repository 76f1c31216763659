"""
How a write is decided again, when what it was decided by has changed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from asm_async.errors import (
    ConflictError,
    NotFoundError,
    RevisionConflictError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
)

MAX_ATTEMPTS = 100
"""
How often a write is decided.
"""

LONGEST_PAUSE = 0.002
"""
How many seconds are waited at most, for each attempt before, up to ten.
"""

Refusal: TypeAlias = ConflictError | NotFoundError
"""
What a commit raises that expected something else.
"""


class Attempts:
    """
    The writes of one store.

    Each is tried at once. Those that have to be decided again are so one after the
    other, so that many forks of one conversation do not refuse each other again and
    again; those of other stores and processes are left, and a short pause.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, attempt: Callable[[int], Awaitable[Refusal | None]]) -> None:
        """
        Await what *attempt* returns, until it is None.

        Args:
            attempt: Called with the number of attempts before; returns why it was
                refused, None if it was not.

        Raises:
            ConflictError: The last refusal, after a hundred.

            NotFoundError: The same.
        """
        refusal = await attempt(0)
        if refusal is None:
            return
        async with self._lock:
            for number in range(1, MAX_ATTEMPTS):
                refusal = await attempt(number)
                if refusal is None:
                    return
                pause = LONGEST_PAUSE * min(number, 10)
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        raise refusal


async def refusal_of(commit: Awaitable[object]) -> Refusal | None:
    """
    Await a commit, and return why it was refused; None if it was not.
    """
    try:
        await commit
    except (
        RevisionConflictError,
        SequenceConflictError,
        SessionDeletedError,
        SessionNotFoundError,
    ) as error:
        return error
    return None
