"""
Stores for LangGraph (the extra ``langgraph``).
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("langgraph") is None or find_spec("langgraph.store") is None:
    raise MissingDependencyError("langgraph-checkpoint", "langgraph")

from asm_async.integrations.langgraph.store import AsmStore

__all__ = ["AsmStore"]
