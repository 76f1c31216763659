"""
The adapters that keep everything in memory: full peers of the SQL ones, not durable.
"""

from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.session_store import InMemorySessionStore

__all__ = ["InMemoryDatabase", "InMemorySessionStore"]
