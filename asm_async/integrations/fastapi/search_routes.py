"""
Routes for questions about many sessions.
"""

from __future__ import annotations

from fastapi import Request, Response

from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.parameters import (
    CountQuery,
    EventQuery,
    RunQuery,
    SummaryQuery,
)
from asm_async.integrations.fastapi.responses import JSONText, page_response, plain_json


async def search_runs(request: Request, view: ViewDep, query: RunQuery) -> Response:
    """
    Find runs of all sessions.
    """
    return page_response(request, await view.search_runs(**query))


async def search_events(request: Request, view: ViewDep, query: EventQuery) -> Response:
    """
    Find events of all sessions.
    """
    return page_response(request, await view.search_events(**query))


async def count_events(view: ViewDep, query: CountQuery) -> Response:
    """
    Count events of all sessions.
    """
    return JSONText({"count": await view.count_events(**query)})


async def get_usage(view: ViewDep, query: SummaryQuery) -> Response:
    """
    Add up what runs consumed.
    """
    return JSONText(plain_json(await view.get_usage_summary(**query)))


async def get_cost(view: ViewDep, context: ContextDep, query: SummaryQuery) -> Response:
    """
    Add up what runs cost: as stored with them, or by the server's prices.
    """
    lookup = context.price_lookup
    summary = await view.get_cost_summary(**query, price_lookup=lookup)
    return JSONText(plain_json(summary))
