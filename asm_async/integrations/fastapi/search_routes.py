"""
Routes for questions about many sessions.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Request, Response

from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.answers import Answers, with_headers, with_problems
from asm_async.integrations.fastapi.pages import Cursor, Limit, page_response
from asm_async.integrations.fastapi.parameters import (
    Count,
    EventTypes,
    RunStatuses,
    TenantId,
    Text,
    TextList,
    Time,
)
from asm_async.integrations.fastapi.responses import JSONText, plain_json
from asm_async.integrations.fastapi.schemas import (
    CostSummaryView,
    EventCount,
    EventPage,
    RunPage,
    UsageSummaryView,
)
from asm_async.ports.query_api import EventOrder, RunOrder, TimeBucket

__all__ = ["add_search_routes"]


async def search_runs(
    *,
    request: Request,
    view: ViewDep,
    session_id: Text = None,
    agent_id: Text = None,
    tenant_id: TenantId = None,
    provider: Text = None,
    status: RunStatuses = None,
    started_after: Time = None,
    started_before: Time = None,
    min_tokens: Count = None,
    order_by: RunOrder = "started_at_desc",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """
    Find runs of all sessions.
    """
    page = await view.search_runs(
        session_id=session_id,
        agent_id=agent_id,
        tenant_id=tenant_id,
        provider=provider,
        status=status,
        started_after=started_after,
        started_before=started_before,
        min_tokens=min_tokens,
        order_by=order_by,
        limit=limit,
        cursor=cursor,
    )
    return page_response(request, page)


async def search_events(
    *,
    request: Request,
    view: ViewDep,
    session_ids: TextList = None,
    run_ids: TextList = None,
    types: EventTypes = None,
    providers: TextList = None,
    tenant_id: TenantId = None,
    since: Time = None,
    until: Time = None,
    correlation_id: Text = None,
    order_by: EventOrder = "sequence_asc",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """
    Find events of all sessions.
    """
    page = await view.search_events(
        session_ids=session_ids,
        run_ids=run_ids,
        types=types,
        providers=providers,
        tenant_id=tenant_id,
        since=since,
        until=until,
        correlation_id=correlation_id,
        order_by=order_by,
        limit=limit,
        cursor=cursor,
    )
    return page_response(request, page)


async def count_events(
    *,
    view: ViewDep,
    session_ids: TextList = None,
    run_ids: TextList = None,
    types: EventTypes = None,
    providers: TextList = None,
    tenant_id: TenantId = None,
    since: Time = None,
    until: Time = None,
    correlation_id: Text = None,
) -> Response:
    """
    Count events of all sessions.
    """
    count = await view.count_events(
        session_ids=session_ids,
        run_ids=run_ids,
        types=types,
        providers=providers,
        tenant_id=tenant_id,
        since=since,
        until=until,
        correlation_id=correlation_id,
    )
    return JSONText({"count": count})


async def _summary_filters(
    *,
    session_id: Text = None,
    agent_id: Text = None,
    tenant_id: TenantId = None,
    provider: Text = None,
    since: Time = None,
    until: Time = None,
    bucket: TimeBucket | None = None,
) -> dict[str, Any]:
    """
    Give what both summaries may be asked for.
    """
    return {
        "session_id": session_id,
        "agent_id": agent_id,
        "tenant_id": tenant_id,
        "provider": provider,
        "since": since,
        "until": until,
        "bucket": bucket,
    }


SummaryFiltersDep: TypeAlias = Annotated[dict[str, Any], Depends(_summary_filters)]


async def get_usage(view: ViewDep, filters: SummaryFiltersDep) -> Response:
    """
    Add up what runs consumed.
    """
    return JSONText(plain_json(await view.get_usage_summary(**filters)))


async def get_cost(
    view: ViewDep, context: ContextDep, filters: SummaryFiltersDep
) -> Response:
    """
    Add up what runs cost: as stored with them, or by the server's prices.
    """
    summary = await view.get_cost_summary(**filters, price_lookup=context.price_lookup)
    return JSONText(plain_json(summary))


def add_search_routes(router: APIRouter) -> None:
    """
    Add the routes for questions about many sessions to *router*.
    """
    link: Answers = {200: {"headers": with_headers("Link")}}
    problems = with_problems(404)
    add = partial(router.add_api_route, tags=["search"])
    add("/runs", search_runs, response_model=RunPage, responses={**link, **problems})
    add(
        "/events",
        search_events,
        response_model=EventPage,
        responses={**link, **problems},
    )
    add("/events/count", count_events, response_model=EventCount, responses=problems)
    add("/usage", get_usage, response_model=UsageSummaryView, responses=problems)
    add("/cost", get_cost, response_model=CostSummaryView, responses=problems)
