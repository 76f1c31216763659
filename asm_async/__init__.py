"""
A durable, ordered, idempotent log of AI-agent sessions, runs and events for asyncio.
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asm_async import errors
    from asm_async.memory.ports import InMemoryPorts
    from asm_async.ports.session_store import SessionStore
    from asm_async.ports.state_store import StateStore
    from asm_async.ports.together import Ports
    from asm_async.sql.open import open_ports, open_store
    from asm_async.values.changes import Changes, Committed
    from asm_async.values.event import Event, EventType
    from asm_async.values.execution_result import ExecutionResult
    from asm_async.values.retention import RetentionPolicy
    from asm_async.values.run import Run, RunStatus
    from asm_async.values.session import Session, SessionStatus
    from asm_async.values.state_item import StateItem

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

_MODULES = MappingProxyType(
    {
        "Changes": "values.changes",
        "Committed": "values.changes",
        "Event": "values.event",
        "EventType": "values.event",
        "ExecutionResult": "values.execution_result",
        "InMemoryPorts": "memory.ports",
        "Ports": "ports.together",
        "RetentionPolicy": "values.retention",
        "Run": "values.run",
        "RunStatus": "values.run",
        "Session": "values.session",
        "SessionStatus": "values.session",
        "SessionStore": "ports.session_store",
        "StateItem": "values.state_item",
        "StateStore": "ports.state_store",
        "open_ports": "sql.open",
        "open_store": "sql.open",
    }
)


def __getattr__(name: str) -> Any:
    """
    Import a name when it is first asked for, and keep it (PEP 562).

    SQLAlchemy takes longer to import than all the rest, and a command line that only
    prints its help needs none of it.
    """
    if name == "errors":
        return import_module("asm_async.errors")
    if name == "__version__":
        found: Any = import_module("importlib.metadata").version("asm_async")
    elif name in _MODULES:
        found = getattr(import_module(f"asm_async.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """
    List what is imported late, too.
    """
    return sorted({*globals(), *__all__})
