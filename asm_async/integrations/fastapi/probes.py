"""
The probes of a process manager: whether the process serves, and whether it is ready to.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asm_async.integrations.fastapi.access import seconds_above_zero
from asm_async.integrations.fastapi.ports import AppState
from asm_async.integrations.fastapi.problems import ProblemError, problem_response
from asm_async.integrations.fastapi.responses import json_response


def health_router(*, timeout: float = 0.8, prefix: str = "") -> APIRouter:
    """
    Make ``/health/live`` and ``/health/ready``, which anybody may ask.

    ``/health/live`` answers 200 as long as the process serves. ``/health/ready``
    answers 200 if the database answers too, and 503 if not, while the application
    starts, or while it stops. Neither says anything else.

    The database is asked once a second at most, however many ask, and never waits for
    writers. The full check, ``/health/issues`` of
    :func:`~asm_async.integrations.fastapi.router.router`, stays behind authorization.

    As with ``/docs``, dependencies of the whole application do not apply to them, and
    OpenAPI does not list them.

    Args:
        timeout: How long, in seconds, the database may take. Let it be shorter than
            what the process manager waits: one second in Kubernetes, unless set.

        prefix: What both paths begin with.

    Raises:
        ValidationError: If *timeout* is no number of seconds above 0.
    """
    seconds = seconds_above_zero(timeout, "timeout")

    async def ready(request: Request) -> Response:
        state = getattr(request.app.state, "asm_async", None)
        if (
            isinstance(state, AppState)
            and not state.streams.are_ending
            and await state.readiness.is_ready(seconds)
        ):
            return _fine()
        status, detail = HTTPStatus.SERVICE_UNAVAILABLE, "The service is not ready."
        return problem_response(ProblemError(status, "not_ready", detail))

    made = APIRouter()
    # Routes of Starlette's: they have no dependencies, and answer HEAD, too.
    for path, probe in (("live", _live), ("ready", ready)):
        made.add_route(
            f"{prefix}/health/{path}", probe, methods=["GET"], include_in_schema=False
        )
    return made


async def _live(_: Request) -> Response:
    return _fine()


def _fine() -> Response:
    response = json_response({"status": "ok"})
    response.headers["cache-control"] = "no-store"
    return response
