"""
The ports over SQLAlchemy's AsyncEngine, for SQLite and PostgreSQL.
"""

from asm_async.sql import migrations
from asm_async.sql.artifact_registry import SQLArtifactRegistry
from asm_async.sql.event_feed import SQLEventFeed
from asm_async.sql.maintenance import SQLMaintenance
from asm_async.sql.ports import SQLPorts
from asm_async.sql.query_api import SQLQueryAPI
from asm_async.sql.readers.readers import Readers
from asm_async.sql.readers.standby import ReaderState
from asm_async.sql.runtime.engine import create_engine
from asm_async.sql.session_store import SQLSessionStore
from asm_async.sql.state_store import SQLStateStore
from asm_async.sql.text_index import SQLTextIndex

__all__ = [
    "ReaderState",
    "Readers",
    "SQLArtifactRegistry",
    "SQLEventFeed",
    "SQLMaintenance",
    "SQLPorts",
    "SQLQueryAPI",
    "SQLSessionStore",
    "SQLStateStore",
    "SQLTextIndex",
    "create_engine",
    "migrations",
]
