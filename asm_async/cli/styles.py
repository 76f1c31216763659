"""
Which colour means what.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from asm_async.conventions import Role
from asm_async.values.run import RunStatus
from asm_async.values.session import Session, SessionStatus

BY_ROLE: Mapping[Role, str] = MappingProxyType(
    {
        Role.SYSTEM: "magenta",
        Role.DEVELOPER: "magenta",
        Role.USER: "bold green",
        Role.ASSISTANT: "bold blue",
        Role.TOOL: "yellow",
    }
)
"""
Who says something.
"""

ERROR = "bold red"
"""
What went wrong.
"""

QUIET = "dim"
"""
What stands beside that which is read first.
"""

_BY_STATUS: Mapping[str, str] = MappingProxyType(
    {
        RunStatus.RUNNING: "cyan",
        RunStatus.COMPLETED: "green",
        RunStatus.FAILED: "red",
        RunStatus.TIMEOUT: "red",
        RunStatus.CANCELLED: "yellow",
    }
)


def style_of(status: SessionStatus | RunStatus) -> str:
    """
    Return the style of a status.
    """
    return _BY_STATUS.get(status.value, "")


def status_of(session: Session) -> str:
    """
    Return where a session stands, in words.
    """
    return session.status.value if session.deleted_at is None else "deleted"
