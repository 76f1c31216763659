"""
The ports over SQLAlchemy's AsyncEngine, for SQLite and PostgreSQL.
"""

from asm_async.sql import migrations
from asm_async.sql.engine import create_engine
from asm_async.sql.session_store import SQLSessionStore

__all__ = ["SQLSessionStore", "create_engine", "migrations"]
