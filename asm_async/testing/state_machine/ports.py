"""
The ports of one database, opened together.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeAlias

import attrs

from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryDatabase,
    InMemoryMaintenance,
    InMemoryQueryAPI,
    InMemorySessionStore,
    InMemoryStateStore,
)
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore

__all__ = ["Clock", "OpenPorts", "Ports", "ports_in_memory"]

Clock: TypeAlias = Callable[[], datetime]
"""
Returns the present time of the ports.
"""


@attrs.frozen(kw_only=True)
class Ports:
    """
    The adapters of one database; those that do not exist are None.
    """

    session_store: SessionStore
    query_api: QueryAPI | None = None
    maintenance: Maintenance | None = None
    artifact_registry: ArtifactRegistry | None = None
    state_store: StateStore | None = None


OpenPorts: TypeAlias = Callable[[Clock], AbstractAsyncContextManager[Ports]]
"""
Opens an empty database, and closes it at the end of the context.

The maintenance has to tell the time by the clock that is given.
"""


def ports_in_memory(clock: Clock) -> Ports:
    """
    Open a database in memory, which is the oracle of all others.
    """
    database = InMemoryDatabase()
    return Ports(
        session_store=InMemorySessionStore(database),
        query_api=InMemoryQueryAPI(database),
        maintenance=InMemoryMaintenance(database, clock=clock),
        artifact_registry=InMemoryArtifactRegistry(database),
        state_store=InMemoryStateStore(database),
    )
