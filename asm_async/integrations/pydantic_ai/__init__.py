"""
A store of pydantic-ai's conversations over the ports (the extra ``pydantic-ai``).
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("pydantic_ai") is None:
    raise MissingDependencyError("pydantic-ai-slim", "pydantic-ai")

from asm_async.integrations.pydantic_ai.conversation_store import AsmConversationStore

__all__ = ["AsmConversationStore"]
