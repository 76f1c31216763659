"""
Stores for Microsoft's agent framework (the extra ``agent-framework``).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from asm_async.errors import MissingDependencyError

if find_spec("agent_framework") is None:
    raise MissingDependencyError("agent-framework-core", "agent-framework")

from asm_async.integrations.agent_framework.checkpoints import AsmCheckpointStorage
from asm_async.integrations.agent_framework.history import AsmHistoryProvider

if TYPE_CHECKING:
    from asm_async.integrations.agent_framework.sessions import AsmSessionStore

__all__ = ["AsmCheckpointStorage", "AsmHistoryProvider", "AsmSessionStore"]


def __getattr__(name: str) -> Any:
    """
    Import the session store when it is first asked for.

    The framework warns then that it is experimental; programs that do not use it get no
    warning.
    """
    if name == "AsmSessionStore":
        from asm_async.integrations.agent_framework import sessions  # noqa: PLC0415 - see above

        return sessions.AsmSessionStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
