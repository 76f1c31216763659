"""
The ports over one database in memory, together.
"""

from __future__ import annotations

import attrs

from asm_async.memory.artifact_registry import InMemoryArtifactRegistry
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.event_feed import InMemoryEventFeed
from asm_async.memory.maintenance import InMemoryMaintenance
from asm_async.memory.query_api import InMemoryQueryAPI
from asm_async.memory.session_store import InMemorySessionStore
from asm_async.memory.state_store import InMemoryStateStore
from asm_async.memory.text_index import InMemoryTextIndex
from asm_async.ports.together import Ports


@attrs.frozen(kw_only=True, eq=False, init=False)
class InMemoryPorts(Ports):
    """
    The ports over a database in memory, for tests and for what need not last.

    Args:
        database: Where everything is kept; a new one unless given.
    """

    database: InMemoryDatabase
    """
    Their database.
    """

    store: InMemorySessionStore
    state: InMemoryStateStore
    query: InMemoryQueryAPI
    maintenance: InMemoryMaintenance
    feed: InMemoryEventFeed
    artifacts: InMemoryArtifactRegistry
    text_search: InMemoryTextIndex | None = None

    def __init__(self, database: InMemoryDatabase | None = None) -> None:
        own = InMemoryDatabase() if database is None else database
        object.__setattr__(self, "database", own)
        super().__init__(
            store=InMemorySessionStore(own),
            state=InMemoryStateStore(own),
            query=InMemoryQueryAPI(own),
            maintenance=InMemoryMaintenance(own),
            feed=InMemoryEventFeed(own),
            artifacts=InMemoryArtifactRegistry(own),
            text_search=InMemoryTextIndex(own),
        )
