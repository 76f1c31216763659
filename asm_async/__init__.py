"""
A durable, ordered, idempotent log of AI-agent sessions, runs and events for asyncio.
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asm_async import errors
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.retention import RetentionPolicy
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem

if TYPE_CHECKING:
    from asm_async.memory.ports import InMemoryPorts
    from asm_async.ports.session_store import SessionStore
    from asm_async.ports.state_store import StateStore
    from asm_async.ports.together import Ports
    from asm_async.sql.open import open_ports, open_store

    __version__: str
    """
    The version of the package that is installed.
    """

__all__ = [
    "Changes",
    "Committed",
    "Event",
    "EventType",
    "ExecutionResult",
    "InMemoryPorts",
    "Ports",
    "RetentionPolicy",
    "Run",
    "RunStatus",
    "Session",
    "SessionStatus",
    "SessionStore",
    "StateItem",
    "StateStore",
    "__version__",
    "errors",
    "open_ports",
    "open_store",
]

_IMPORTED_LATE = MappingProxyType(
    {
        "InMemoryPorts": "asm_async.memory.ports",
        "Ports": "asm_async.ports.together",
        "SessionStore": "asm_async.ports.session_store",
        "StateStore": "asm_async.ports.state_store",
        "open_ports": "asm_async.sql.open",
        "open_store": "asm_async.sql.open",
    }
)


def __getattr__(name: str) -> Any:
    """
    Import what is not asked for by everybody when it is first asked for.

    SQLAlchemy takes longer to import than all the rest, and values need none of it.
    """
    if name == "__version__":
        return import_module("importlib.metadata").version("asm_async")
    if name not in _IMPORTED_LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_IMPORTED_LATE[name]), name)


def __dir__() -> list[str]:
    """
    List what is imported late, too.
    """
    return sorted({*globals(), *__all__})
