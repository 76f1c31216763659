"""
Routes for the whole: whether it is well, and everything at once.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Response

from asm_async.integrations.fastapi.access import ContextDep, ViewDep
from asm_async.integrations.fastapi.parameters import ExportQuery
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.integrations.fastapi.responses import JSONText, plain_json
from asm_async.integrations.fastapi.streams import StreamedResponse, Write


class ExportStream(StreamedResponse):
    """
    An export, broken off without an end if it cannot be whole.
    """

    media_type = "application/x-ndjson"


async def get_health(view: ViewDep) -> Response:
    """
    Check that the database answers, by a read that costs little.
    """
    await view.check_database()
    return JSONText({"status": "ok"})


async def get_health_issues(context: ContextDep) -> Response:
    """
    Check the whole database for damage, which reads every index of it.

    The answer is about all tenants' sessions, so that a tenant may not ask.
    """
    if context.tenant_id is not None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "not_for_tenants",
            "The health of the whole database is not for tenants to see.",
        )
    issues = await context.state.ports.maintenance.health_check()
    return JSONText({"issues": plain_json(issues)})


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
