"""
The adapters that keep everything in memory: full peers of the SQL ones, not durable.
"""

from asm_async.memory.artifact_registry import InMemoryArtifactRegistry
from asm_async.memory.artifact_store import InMemoryArtifactStore
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.event_feed import InMemoryEventFeed
from asm_async.memory.maintenance import InMemoryMaintenance
from asm_async.memory.ports import InMemoryPorts
from asm_async.memory.query_api import InMemoryQueryAPI
from asm_async.memory.session_store import InMemorySessionStore
from asm_async.memory.state_store import InMemoryStateStore
from asm_async.memory.text_index import InMemoryTextIndex

__all__ = [
    "InMemoryArtifactRegistry",
    "InMemoryArtifactStore",
    "InMemoryDatabase",
    "InMemoryEventFeed",
    "InMemoryMaintenance",
    "InMemoryPorts",
    "InMemoryQueryAPI",
    "InMemorySessionStore",
    "InMemoryStateStore",
    "InMemoryTextIndex",
]
