"""
Routes for questions about many sessions.
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.answers import Answers, with_headers, with_problems
from asm_async.integrations.fastapi.filters import (
    EventFiltersDep,
    RunFiltersDep,
    SummaryFiltersDep,
    given,
)
from asm_async.integrations.fastapi.pages import Cursor, Limit, page_response
from asm_async.integrations.fastapi.responses import JSONText, plain_json
from asm_async.integrations.fastapi.schemas import (
    CostSummaryView,
    EventCount,
    EventPage,
    RunPage,
    UsageSummaryView,
)
from asm_async.ports.query_api import EventOrder, RunOrder

__all__ = ["add_search_routes"]


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
