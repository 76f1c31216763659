"""
The parameters of the list of sessions, and of what is added up.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Query

from asm_async.console.search import SessionFilters
from asm_async.integrations.fastapi.parameters import TenantId, Text, TextList, Time
from asm_async.values.session import SessionStatus

MAX_WORDS_LENGTH = 200
"""
How long a text that is searched for may be, in characters.
"""

Words: TypeAlias = Annotated[str | None, Query(max_length=MAX_WORDS_LENGTH)]
Statuses: TypeAlias = Annotated[list[SessionStatus] | None, Query()]


async def _session_filters(
    *,
    status: Statuses = None,
    agent_id: Text = None,
    user_id: Text = None,
    tenant_id: TenantId = None,
    tag: TextList = None,
    created_after: Time = None,
    created_before: Time = None,
    active_after: Time = None,
    parent_session_id: Text = None,
    include_deleted: bool = False,
) -> SessionFilters:
    found_by: dict[str, Any] = {
        "status": status,
        "agent_id": agent_id,
        "user_id": user_id,
        "tenant_id": tenant_id,
        "tags": tuple(tag or ()),
        "created_after": created_after,
        "created_before": created_before,
        "parent_session_id": parent_session_id,
        "include_deleted": include_deleted,
    }
    return SessionFilters(found_by=found_by, active_after=active_after)


SessionFiltersDep: TypeAlias = Annotated[SessionFilters, Depends(_session_filters)]


async def _run_filters(
    *,
    session_id: Text = None,
    agent_id: Text = None,
    user_id: Text = None,
    tenant_id: TenantId = None,
    provider: Text = None,
    since: Time = None,
    until: Time = None,
) -> dict[str, Any]:
    given = {
        "session_id": session_id,
        "agent_id": agent_id,
        "user_id": user_id,
        "tenant_id": tenant_id,
        "provider": provider,
        "since": since,
        "until": until,
    }
    return {name: value for name, value in given.items() if value is not None}


RunFiltersDep: TypeAlias = Annotated[dict[str, Any], Depends(_run_filters)]
