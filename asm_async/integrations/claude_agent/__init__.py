"""
Transcripts of the Claude Agent SDK in the log (the extra ``claude-agent``).
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("claude_agent_sdk") is None:
    raise MissingDependencyError("claude-agent-sdk", "claude-agent")

from asm_async.integrations.claude_agent.keys import AGENT_ID, SUBAGENT_ID
from asm_async.integrations.claude_agent.session_store import AsmSessionStore

__all__ = ["AGENT_ID", "SUBAGENT_ID", "AsmSessionStore"]
