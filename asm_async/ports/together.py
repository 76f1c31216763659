"""
The ports over one database, together.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import attrs

from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch


@attrs.frozen(kw_only=True, eq=False)
class Ports:
    """
    The ports over one database; ``async with`` closes them in the end.
    """

    store: SessionStore
    """
    Through which agents write and read their sessions.
    """

    state: StateStore
    """
    In which mutable state is kept beside the log.
    """

    query: QueryAPI
    """
    Through which history is searched, added up, exported and imported.
    """

    maintenance: Maintenance
    """
    Through which retention policies are executed and the database is checked.
    """

    feed: EventFeed
    """
    Through which events are seen as they are appended.
    """

    artifacts: ArtifactRegistry
    """
    The registry of artifacts; their contents are kept elsewhere.
    """

    text_search: TextSearch | None = None
    """
    Through which what was said is searched for; None if nothing indexes it here.
    """

    async def aclose(self) -> None:
        """
        Close the feeds, then the stores; their engine or database stays open.
        """
        async with AsyncExitStack() as closing:
            for port in (self.store, self.state, self.feed, self.text_search):
                if port is not None:
                    closing.push_async_callback(port.aclose)

    async def __aenter__(self) -> Self:
        """
        Return the ports as they are.
        """
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Close the ports.
        """
        await self.aclose()
