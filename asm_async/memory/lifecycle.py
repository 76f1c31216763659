"""
When an adapter may be used: within one event loop, and until it is closed.
"""

from __future__ import annotations

import asyncio

from asm_async.errors import StoreClosedError


class Lifecycle:
    """
    The event loop in which an adapter is used, and whether it was closed.

    Args:
        name: What errors call the adapter.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def check_usable(self) -> None:
        """
        Refuse an adapter that was closed, or is called from another event loop.

        Raises:
            StoreClosedError: Saying which.
        """
        if self._is_closed:
            raise StoreClosedError(f"the {self._name} was closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise StoreClosedError(f"the {self._name} belongs to another event loop")

    def close(self) -> bool:
        """
        Refuse all later calls, and return whether it was open until now.

        Raises:
            StoreClosedError: If called from another event loop before it was closed.
        """
        if self._is_closed:
            return False
        self.check_usable()
        self._is_closed = True
        return True
