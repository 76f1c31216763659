"""
What the author of an adapter tells the contract suites about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import attrs

from asm_async.conventions.texts import EventTexts
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.values.maintenance import HealthIssueKind

__all__ = [
    "ArtifactRegistryBackend",
    "ArtifactStoreBackend",
    "EventFeedBackend",
    "Gate",
    "MaintenanceBackend",
    "QueryAPIBackend",
    "RecordingBackend",
    "SessionStoreBackend",
    "StateStoreBackend",
    "TextSearchBackend",
]


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
        Return the counters of all sessions that are or ever were, by session id.
        """
        ...


class ArtifactRegistryBackend(SessionStoreBackend, Protocol):
    """
    A database in which artifacts can also be registered.
    """

    async def open_artifact_registry(self) -> ArtifactRegistry:
        """
        Open another artifact registry on the same database.
        """
        ...


class StateStoreBackend(SessionStoreBackend, Protocol):
    """
    A database in which state can also be kept.
    """

    async def open_state_store(self) -> StateStore:
        """
        Open another state store on the same database, as another process would.

        The suite closes it.
        """
        ...


class MaintenanceBackend(ArtifactRegistryBackend, StateStoreBackend, Protocol):
    """
    A database with all a session can have, that can be maintained, and damaged.
    """

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance on the same database.

        Args:
            now: Where its clock stands still; the real time if None.
        """
        ...

    async def set_last_activity(self, session_id: str, at: datetime) -> None:
        """
        Have a stored session have been last written to then.
        """
        ...

    async def damage(self, kind: HealthIssueKind, session_id: str) -> str | None:
        """
        Do the least that makes the database be damaged so.

        Args:
            kind: What it shall be.

            session_id: Whose rows to damage, or to leave without a session: that of a
                stored session, with events, unless *kind* is that something is
                orphaned.

        Returns:
            The subject of the issues there are then; None if nothing was done, since
            this database cannot be damaged so.
        """
        ...


class QueryAPIBackend(ArtifactRegistryBackend, StateStoreBackend, Protocol):
    """
    A database whose history can also be searched, exported and imported.
    """

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API on the same database.
        """
        ...


class ArtifactStoreBackend(Protocol):
    """
    One place for contents, empty at first, and ways to it that the port does not offer.
    """

    async def open_artifact_store(self) -> ArtifactStore:
        """
        Open another artifact store on the same place, as another process would.
        """
        ...

    async def checksum_of(self, content: bytes) -> str:
        """
        Return the checksum that the store is to give a content.

        It is the SHA-256 digest of the bytes that are kept: of the content itself,
        unless the store encrypts it.
        """
        ...

    async def damage(self, checksum_sha256: str, content: bytes) -> None:
        """
        Put other bytes in the place of a content that is there.
        """
        ...

    async def leftovers(self) -> int:
        """
        Count what unfinished puts have left, and descriptors that were not closed.
        """
        ...


class EventFeedBackend(SessionStoreBackend, Protocol):
    """
    A database whose events can also be followed.
    """

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed on the same database, as another process would.

        The suite closes it.
        """
        ...


class RecordingBackend(QueryAPIBackend, EventFeedBackend, Protocol):
    """
    A database all of whose ports can be opened.
    """

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance on the same database.
        """
        ...


class TextSearchBackend(MaintenanceBackend, Protocol):
    """
    A database whose texts can also be searched, and that loses what it had.
    """

    async def open_text_search(self, *, texts: EventTexts) -> TextSearch:
        """
        Open another index of texts on the same database, as another process would.

        The suite closes it.

        Args:
            texts: What is to be found of an event.
        """
        ...

    async def count_indexed(self) -> int:
        """
        Count the events of which anything is in the index.
        """
        ...
