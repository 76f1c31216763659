"""
The ports over one AsyncEngine, together.
"""

from __future__ import annotations

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.ports.together import Ports
from asm_async.sql.artifact_registry import SQLArtifactRegistry
from asm_async.sql.event_feed import SQLEventFeed
from asm_async.sql.maintenance import SQLMaintenance
from asm_async.sql.query_api import SQLQueryAPI
from asm_async.sql.readers.readers import Readers
from asm_async.sql.session_store import SQLSessionStore
from asm_async.sql.state_store import SQLStateStore
from asm_async.sql.text_index import SQLTextIndex


@attrs.frozen(kw_only=True, eq=False, init=False)
class SQLPorts(Ports):
    """
    The ports over an engine, which stays the caller's.

    Args:
        engine: As for :class:`~asm_async.sql.session_store.SQLSessionStore`.

        timeout: As there, for all ports alike.

        readers: Standbys that answer searches, exports, text search and followers, and
            on request what is read through the session store; they stay the caller's.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    engine: AsyncEngine
    """
    Their engine.
    """

    readers: Readers | None = None
    """
    The standbys that are read from, if there are any.
    """

    store: SQLSessionStore
    state: SQLStateStore
    query: SQLQueryAPI
    maintenance: SQLMaintenance
    feed: SQLEventFeed
    artifacts: SQLArtifactRegistry
    text_search: SQLTextIndex | None = None

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 30.0,
        readers: Readers | None = None,
    ) -> None:
        object.__setattr__(self, "engine", engine)
        object.__setattr__(self, "readers", readers)
        store = SQLSessionStore(engine, timeout=timeout, readers=readers)
        super().__init__(
            store=store,
            state=store.state_store(),
            query=SQLQueryAPI(engine, timeout=timeout, readers=readers),
            maintenance=SQLMaintenance(engine, timeout=timeout, readers=readers),
            feed=SQLEventFeed(engine, timeout=timeout, readers=readers),
            artifacts=SQLArtifactRegistry(engine, timeout=timeout),
            text_search=SQLTextIndex(engine, timeout=timeout, readers=readers),
        )
