"""
Resumable streams of MCP servers in the log (the extra ``mcp``).
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("mcp") is None:
    raise MissingDependencyError("mcp", "mcp")

from asm_async.integrations.mcp.event_store import AGENT_ID, MESSAGE_TYPE, AsmEventStore
from asm_async.integrations.mcp.hosting import (
    hard_delete_idle_stores,
    scope_event_stores,
    streamable_http_app,
)

__all__ = [
    "AGENT_ID",
    "MESSAGE_TYPE",
    "AsmEventStore",
    "hard_delete_idle_stores",
    "scope_event_stores",
    "streamable_http_app",
]
