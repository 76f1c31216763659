"""
Routes for questions about many sessions.
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from asm_async.integrations.fastapi import schemas
from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.described_routes import add_route
from asm_async.integrations.fastapi.parameters import (
    Cursor,
    EventFiltersDep,
    Limit,
    RunFiltersDep,
    SummaryFiltersDep,
    given,
)
from asm_async.integrations.fastapi.responses import JSONText, page_response, plain_json
from asm_async.ports.query_api import EventOrder, RunOrder


async def search_runs(
    *,
    request: Request,
    view: ViewDep,
    filters: RunFiltersDep,
    order_by: RunOrder = "started_at_desc",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """
    Find runs of all sessions.
    """
    page = await view.search_runs(
        **given(filters), order_by=order_by, limit=limit, cursor=cursor
    )
    return page_response(request, page)


async def search_events(
    *,
    request: Request,
    view: ViewDep,
    filters: EventFiltersDep,
    order_by: EventOrder = "sequence_asc",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """
    Find events of all sessions.
    """
    page = await view.search_events(
        **given(filters), order_by=order_by, limit=limit, cursor=cursor
    )
    return page_response(request, page)


async def count_events(view: ViewDep, filters: EventFiltersDep) -> Response:
    """
    Count events of all sessions.
    """
    return JSONText({"count": await view.count_events(**given(filters))})


async def get_usage(view: ViewDep, filters: SummaryFiltersDep) -> Response:
    """
    Add up what runs consumed.
    """
    return JSONText(plain_json(await view.get_usage_summary(**given(filters))))


async def get_cost(
    view: ViewDep, context: ContextDep, filters: SummaryFiltersDep
) -> Response:
    """
    Add up what runs cost: as stored with them, or by the server's prices.
    """
    summary = await view.get_cost_summary(
        **given(filters), price_lookup=context.price_lookup
    )
    return JSONText(plain_json(summary))


def add_search_routes(router: APIRouter) -> None:
    """
    Add the routes for questions about many sessions to *router*.
    """
    add = partial(add_route, router, tags=["search"], problems=[404])
    add("/runs", search_runs, schemas.RunPage, headers=["Link"])
    add("/events", search_events, schemas.EventPage, headers=["Link"])
    add("/events/count", count_events, schemas.EventCount)
    add("/usage", get_usage, schemas.UsageSummaryView)
    add("/cost", get_cost, schemas.CostSummaryView)
