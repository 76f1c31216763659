"""
How to wait for what must come to its end although the one who waits was cancelled.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


async def wait_uninterruptible(future: asyncio.Future[Any], deadline: float) -> None:
    """
    Wait for *future* until *deadline*, however often the waiting itself is cancelled.

    *future* is neither cancelled nor asked for its result; *deadline* is on the loop's
    clock.
    """
    clock = asyncio.get_running_loop().time
    with _shield_from_anyio():
        while not future.done() and (left := deadline - clock()) > 0:
            try:
                await asyncio.wait({future}, timeout=left)
            except asyncio.CancelledError:
                continue


def _shield_from_anyio() -> AbstractContextManager[object]:
    """
    Enter a scope of anyio's that no cancellation passes, where anyio is in use.

    A scope that was cancelled cancels its tasks again at each turn of the loop until
    they have left it. A wait that went on all the same would keep the loop turning.
    """
    anyio: Any = sys.modules.get("anyio")
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)
