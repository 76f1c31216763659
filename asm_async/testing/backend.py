"""
What the author of an adapter tells the contract suites about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import attrs

from asm_async.ports.session_store import SessionStore

__all__ = ["Gate", "SessionStoreBackend"]


@attrs.frozen
class Gate:
    """
    The counter of one session, beside the events that are really there.
    """

    latest: int
    """
    The last sequence number that was given out.
    """

    stored: int
    """
    How many events the database holds: counted, not remembered.
    """

    pruned: int
    """
    How many numbers were given out whose events are there no more.
    """

    state: str
    """
    Whether the session is ``live``, ``soft_deleted`` or ``gone``.
    """


class SessionStoreBackend(Protocol):
    """
    One database, empty at first, and ways to it that the port does not offer.

    Each test gets one of its own. Nothing here runs beside the store's own methods, so
    that none of it needs to be safe under concurrency.
    """

    async def open_store(self) -> SessionStore:
        """
        Open another store on the same database, as another process would if it can.

        The suite closes it.
        """
        ...

    async def soft_delete(self, session_id: str) -> None:
        """
        Mark a live session as deleted.
        """
        ...

    async def restore(self, session_id: str) -> None:
        """
        Undo :meth:`soft_delete`.
        """
        ...

    async def prune(self, session_id: str, sequence_numbers: Collection[int]) -> None:
        """
        Remove the session's events of these numbers, all of which are there.
        """
        ...

    async def gates(self) -> Mapping[str, Gate]:
        """
        Give the counters of all sessions that are or ever were, by session id.
        """
        ...
