"""
How work that outlives its caller's cancellation hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


def withdrawal_check() -> Callable[[], None]:
    """
    Return a function that raises ``CancelledError`` once the present task is cancelled.

    It is for work that may take minutes, and outlives its caller's cancellation so that
    no transaction is left with an unknown outcome. Called between two batches, it ends
    the work, and the transaction is rolled back.
    """
    caller = cast("asyncio.Task[object]", asyncio.current_task())
    cancellations = caller.cancelling()

    def check() -> None:
        if caller.cancelling() > cancellations:
            raise asyncio.CancelledError

    return check
