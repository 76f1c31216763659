"""
What a backend promises: one protocol a file, its docstrings the specification.
"""

from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore

__all__ = ["Maintenance", "QueryAPI", "SessionStore"]
