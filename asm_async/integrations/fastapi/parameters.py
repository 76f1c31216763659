"""
Parameters that several routes take.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Path, Query
from pydantic import BeforeValidator, Field

from asm_async.integrations.fastapi import schema_types
from asm_async.integrations.fastapi.schema_types import EventTypeText
from asm_async.values.fields import MAX_TEXT_LENGTH
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = [
    "Count",
    "EventTypeQuery",
    "EventTypes",
    "RunIdPath",
    "RunStatuses",
    "SessionIdPath",
    "SessionStatuses",
    "TenantId",
    "Text",
    "TextList",
    "Time",
]

MAX_VALUES = 100
"""
How many values a parameter may be given that takes several.
"""


def _time(value: Any) -> datetime:
    """
    Accept ISO 8601 text with a zone; pydantic would take numbers, too.
    """
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("expected an ISO 8601 time") from None
    if time.tzinfo is None:
        raise ValueError("expected a time with its zone, such as Z")
    return time


_IdText: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00/]*$")
]
SessionIdPath: TypeAlias = Annotated[
    _IdText,
    Path(
        description="The session's id.",
        examples=["ses_019b7e20a5c07d4f8a1b2c3d4e5f6070"],
    ),
]
RunIdPath: TypeAlias = Annotated[
    _IdText,
    Path(
        description="The run's id.",
        examples=["run_019b7e20a5c07d4f8a1b2c3d4e5f6072"],
    ),
]
Text: TypeAlias = Annotated[schema_types.Text | None, Query()]
TextList: TypeAlias = Annotated[
    list[schema_types.Text] | None, Query(max_length=MAX_VALUES)
]
EventTypeQuery: TypeAlias = Annotated[EventTypeText | None, Query()]
EventTypes: TypeAlias = Annotated[
    list[EventTypeText] | None, Query(max_length=MAX_VALUES)
]
SessionStatuses: TypeAlias = Annotated[list[SessionStatus] | None, Query()]
RunStatuses: TypeAlias = Annotated[list[RunStatus] | None, Query()]
Count: TypeAlias = Annotated[schema_types.Count | None, Query()]
Time: TypeAlias = Annotated[
    Annotated[schema_types.Time, BeforeValidator(_time)] | None, Query()
]
TenantId: TypeAlias = Annotated[
    schema_types.Text | None,
    Query(
        description="Only of this tenant; a request of another tenant finds none (404)."
    ),
]
