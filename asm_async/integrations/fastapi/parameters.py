"""
The parameters of queries, and what sessions, runs and events may be searched by.

Annotations are evaluated where they stand here, since FastAPI reads them off classes.
"""

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import attrs
from fastapi import Depends, Path, Query
from pydantic import BeforeValidator, Field

from asm_async.integrations.fastapi import schema_models
from asm_async.integrations.fastapi.limits import MAX_PAGE_SIZE
from asm_async.integrations.fastapi.schema_models import EventTypeText
from asm_async.ports.query_api import TimeBucket
from asm_async.values.fields import MAX_TEXT_LENGTH
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

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
Text: TypeAlias = Annotated[schema_models.Text | None, Query()]
TextList: TypeAlias = Annotated[
    list[schema_models.Text] | None, Query(max_length=MAX_VALUES)
]
EventTypeQuery: TypeAlias = Annotated[EventTypeText | None, Query()]
EventTypes: TypeAlias = Annotated[
    list[EventTypeText] | None, Query(max_length=MAX_VALUES)
]
SessionStatuses: TypeAlias = Annotated[list[SessionStatus] | None, Query()]
RunStatuses: TypeAlias = Annotated[list[RunStatus] | None, Query()]
Count: TypeAlias = Annotated[schema_models.Count | None, Query()]
Time: TypeAlias = Annotated[
    Annotated[schema_models.Time, BeforeValidator(_time)] | None, Query()
]
TenantId: TypeAlias = Annotated[
    schema_models.Text | None,
    Query(
        description="Only of this tenant; a request of another tenant finds none (404)."
    ),
]
Limit: TypeAlias = Annotated[
    int, Query(ge=0, le=MAX_PAGE_SIZE, description="At most so many on this page.")
]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(description="Where the page begins: the `cursor` of the page before."),
]


@attrs.frozen(kw_only=True)
class _Filters:
    tenant_id: TenantId = None


@attrs.frozen(kw_only=True)
class _SessionFilters(_Filters):
    agent_id: Text = None
    status: SessionStatuses = None
    provider: Text = None
    tags: TextList = None
    parent_session_id: Text = None
    created_after: Time = None
    created_before: Time = None
    include_deleted: bool = False


@attrs.frozen(kw_only=True)
class _RunFilters(_Filters):
    session_id: Text = None
    agent_id: Text = None
    provider: Text = None
    status: RunStatuses = None
    started_after: Time = None
    started_before: Time = None
    min_tokens: Count = None


@attrs.frozen(kw_only=True)
class _EventFilters(_Filters):
    session_ids: TextList = None
    run_ids: TextList = None
    types: EventTypes = None
    providers: TextList = None
    since: Time = None
    until: Time = None
    correlation_id: Text = None


@attrs.frozen(kw_only=True)
class _SummaryFilters(_Filters):
    session_id: Text = None
    agent_id: Text = None
    provider: Text = None
    since: Time = None
    until: Time = None
    bucket: TimeBucket | None = None


SessionFiltersDep: TypeAlias = Annotated[_SessionFilters, Depends()]
RunFiltersDep: TypeAlias = Annotated[_RunFilters, Depends()]
EventFiltersDep: TypeAlias = Annotated[_EventFilters, Depends()]
SummaryFiltersDep: TypeAlias = Annotated[_SummaryFilters, Depends()]


def given(filters: _Filters) -> dict[str, Any]:
    """
    Return the filters that a request gives, and always the tenant, which may be None.
    """
    return {
        name: value
        for name, value in attrs.asdict(filters, recurse=False).items()
        if value is not None or name == "tenant_id"
    }
