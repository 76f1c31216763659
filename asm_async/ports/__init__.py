"""
The promises of a backend: one protocol a file, its docstrings the specification.
"""

from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch

__all__ = [
    "ArtifactRegistry",
    "ArtifactStore",
    "EventBatch",
    "EventConsumer",
    "EventFeed",
    "Maintenance",
    "QueryAPI",
    "SessionStore",
    "StateStore",
    "TextSearch",
]
