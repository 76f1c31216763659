"""
LangGraph's checkpoints and long-term memory in the ports (the extra ``langgraph``).

:class:`~asm_async.integrations.langgraph.saver.AsmCheckpointSaver` is given to
``compile(checkpointer=...)``; a thread is a session, too.
:class:`~asm_async.integrations.langgraph.store.AsmStore` is given to
``compile(store=...)``.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("langgraph") is None or find_spec("langgraph.checkpoint") is None:
    raise MissingDependencyError("langgraph-checkpoint", "langgraph")

from asm_async.integrations.langgraph.saver import AsmCheckpointSaver
from asm_async.integrations.langgraph.stale import StaleCheckpointError
from asm_async.integrations.langgraph.store import AsmStore

__all__ = ["AsmCheckpointSaver", "AsmStore", "StaleCheckpointError"]
