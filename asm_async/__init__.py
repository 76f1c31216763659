"""
A durable, ordered, idempotent log of AI-agent sessions, runs and events for asyncio.
"""

from typing import TYPE_CHECKING, Any

from asm_async import errors
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.retention import RetentionPolicy
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

if TYPE_CHECKING:
    from asm_async.sql.open import open_store

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


def __getattr__(name: str) -> Any:
    """
    Import what opens a store when it is first asked for.

    SQLAlchemy takes longer to import than all the rest, and values need none of it.
    """
    if name != "open_store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from asm_async.sql.open import open_store  # noqa: PLC0415 - said above

    return open_store


def __dir__() -> list[str]:
    """
    List what is imported late, too.
    """
    return sorted({*globals(), *__all__})
