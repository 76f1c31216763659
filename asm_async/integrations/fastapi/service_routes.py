"""
Routes for questions about many sessions, and about the whole service.
"""

from __future__ import annotations

from http import HTTPStatus

import attrs
from fastapi import Request, Response

from asm_async.fronts.loop_share import in_pieces
from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.pages import page_response
from asm_async.integrations.fastapi.parameters import (
    CountQuery,
    EventQuery,
    ExportQuery,
    RunQuery,
    SummaryQuery,
    TextSearchQuery,
)
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.integrations.fastapi.responses import json_response
from asm_async.integrations.fastapi.streams import ExportStream, Write
from asm_async.values.plain_value import plain_json
from asm_async.values.summaries import CostSummary, UsageSummary


async def search_runs(
    request: Request, view: ViewDep, context: ContextDep, query: RunQuery
) -> Response:
    """
    Find runs of all sessions.
    """
    max_bytes = context.limits.max_page_bytes
    return await page_response(request, view.search_runs, max_bytes, **query)


async def search_events(
    request: Request, view: ViewDep, context: ContextDep, query: EventQuery
) -> Response:
    """
    Find events of all sessions.
    """
    max_bytes = context.limits.max_page_bytes
    return await page_response(request, view.search_events, max_bytes, **query)


async def count_events(view: ViewDep, query: CountQuery) -> Response:
    """
    Count events of all sessions.
    """
    return json_response({"count": await view.count_events(**query)})


async def search_text(
    request: Request, view: ViewDep, context: ContextDep, query: TextSearchQuery
) -> Response:
    """
    Find what was said in all sessions, in messages, tool calls, errors and titles.

    What is found is there when it was indexed: 501 if this server indexes nothing.
    """
    max_bytes = context.limits.max_page_bytes
    return await page_response(request, view.search_text, max_bytes, **query)


async def get_usage(view: ViewDep, query: SummaryQuery) -> Response:
    """
    Add up what runs consumed.
    """
    return await _summary_response(await view.get_usage_summary(**query))


async def get_cost(view: ViewDep, context: ContextDep, query: SummaryQuery) -> Response:
    """
    Add up what runs cost: as stored with them, or by the server's prices.
    """
    lookup = context.price_lookup
    summary = await view.get_cost_summary(**query, price_lookup=lookup)
    return await _summary_response(summary)


async def _summary_response(summary: UsageSummary | CostSummary) -> Response:
    # Of groups there may be very many.
    parts = attrs.asdict(summary, recurse=False)
    groups = await in_pieces(plain_json, parts.pop("groups"))
    return json_response({**plain_json(parts), "groups": groups})


async def get_health(view: ViewDep) -> Response:
    """
    Check that the database answers, by a read that costs little.
    """
    await view.check_database()
    return json_response({"status": "ok"})


async def get_health_issues(context: ContextDep) -> Response:
    """
    Check the whole database for damage, which reads every index of it.

    The answer is about all tenants' sessions, so that a tenant may not ask.
    """
    if context.tenant_id is not None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "not_for_tenants",
            "Tenants may not see the health of the whole database.",
        )
    issues = await context.state.ports.maintenance.health_check()
    return json_response({"issues": plain_json(issues)})


async def export_sessions(
    view: ViewDep, context: ContextDep, query: ExportQuery
) -> Response:
    """
    Stream sessions with all they have, one JSON object a line.

    The last line is a record `end`: an answer without one is no whole export.
    """

    async def produce(write: Write) -> None:
        await view.export_sessions(write, **query)

    headers = {"Content-Disposition": 'attachment; filename="export.jsonl"'}
    return ExportStream(produce, context, headers=headers)
