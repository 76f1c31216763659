"""
A durable, ordered, idempotent log of AI-agent sessions, runs and events for asyncio.
"""

from asm_async import errors
from asm_async.sql.open import open_store
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.retention import RetentionPolicy
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = [
    "Event",
    "EventType",
    "ExecutionResult",
    "RetentionPolicy",
    "Run",
    "RunStatus",
    "Session",
    "SessionStatus",
    "errors",
    "open_store",
]
