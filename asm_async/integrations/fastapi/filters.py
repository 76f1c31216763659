"""
What sessions, runs and events may be searched by, as parameters of a query.

Annotations are evaluated where they stand here, since FastAPI reads them off classes.
"""

from typing import Annotated, Any, TypeAlias

import attrs
from fastapi import Depends

from asm_async.integrations.fastapi.parameters import (
    Count,
    EventTypes,
    RunStatuses,
    SessionStatuses,
    TenantId,
    Text,
    TextList,
    Time,
)
from asm_async.ports.query_api import TimeBucket

__all__ = [
    "EventFiltersDep",
    "RunFiltersDep",
    "SessionFiltersDep",
    "SummaryFiltersDep",
    "given",
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
