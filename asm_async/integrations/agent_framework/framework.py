"""
What is taken of Microsoft's agent framework (the extra ``agent-framework``).

Some of it stands in modules whose names begin with an underscore: the encoding of
checkpoints, and what a history takes for a replay. The framework's own stores use them,
and so does whoever stores what they store.
"""

from __future__ import annotations

from asm_async.errors import MissingDependencyError

try:
    from agent_framework import (
        AgentResponse,
        AgentSession,
        HistoryProvider,
        Message,
        SessionContext,
        SupportsAgentRun,
        WorkflowCheckpoint,
        WorkflowCheckpointException,
    )
    from agent_framework._sessions import filter_new_messages
    from agent_framework._workflows._checkpoint_encoding import (
        decode_checkpoint_value,
        encode_checkpoint_value,
    )
except ImportError as _missing:
    raise MissingDependencyError(
        "agent-framework-core", "agent-framework"
    ) from _missing

__all__ = [
    "AgentResponse",
    "AgentSession",
    "HistoryProvider",
    "Message",
    "SessionContext",
    "SupportsAgentRun",
    "WorkflowCheckpoint",
    "WorkflowCheckpointException",
    "decode_checkpoint_value",
    "encode_checkpoint_value",
    "filter_new_messages",
]
