"""
Stores for Microsoft's agent framework (the extra ``agent-framework``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asm_async.integrations.agent_framework.checkpoints import AsmCheckpointStorage
from asm_async.integrations.agent_framework.history import AsmHistoryProvider

if TYPE_CHECKING:
    from asm_async.integrations.agent_framework.sessions import AsmSessionStore

__all__ = ["AsmCheckpointStorage", "AsmHistoryProvider", "AsmSessionStore"]


def __getattr__(name: str) -> Any:
    # The framework warns that its session store is experimental, and those need not
    # hear of it who do not use it.
    if name == "AsmSessionStore":
        from asm_async.integrations.agent_framework.sessions import (  # noqa: PLC0415
            AsmSessionStore,
        )

        return AsmSessionStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
