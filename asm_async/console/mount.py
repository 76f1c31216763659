"""
The console as part of an application of one's own.
"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from asm_async.console import read_routes, stream_routes, write_routes
from asm_async.console.access import check_may_write, console_context
from asm_async.console.policy import SecureHeaders
from asm_async.console.static_files import PageFiles
from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import Authorize, Limits, request_context
from asm_async.integrations.fastapi.problems import ProblemRoute, add_problem_handlers
from asm_async.values.token_price import PriceLookup


def mount(
    app: FastAPI,
    path: str = "/console",
    *,
    authorize: Authorize,
    read_only: bool = True,
    price_lookup: PriceLookup | None = None,
    limits: Limits | None = None,
) -> None:
    """
    Add the console to an application, below *path*.

    It works with the ports that the application's
    :func:`~asm_async.integrations.fastapi.lifespan.lifespan` opens. It has no link to
    anything outside of itself, and allows browsers to load nothing from elsewhere.

    **Access** is that of :func:`~asm_async.integrations.fastapi.router.router`: every
    request for the page or for data is first put to *authorize*, and nothing of another
    tenant exists for it. Only the page's scripts and styles, which are the same for
    everybody, are served to all. A browser opens the page, so *authorize* has to decide
    by what browsers send by themselves, such as a cookie of the application's session.

    Args:
        app: The application.

        path: Where the console is; it begins with a slash and does not end with one.

        authorize: As for :func:`~asm_async.integrations.fastapi.router.router`.

        read_only:
            Whether the console only reads. Otherwise it also renames and tags sessions,
            and marks them deleted or not deleted: for all whom *authorize* lets in.

        price_lookup: What tokens cost, where that was not stored: as for
            :meth:`~asm_async.ports.query_api.QueryAPI.get_cost_summary`.

        limits: How many streams and exports it has open at once, among others.

    Raises:
        ValidationError: If *path* is none, or *authorize* cannot be called.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ValidationError(
            f"path: expected one such as '/console', got {path!r}; to serve the console"
            " alone, use asm_async.console.serve"
        )
    if not callable(authorize):
        raise ValidationError(
            "authorize: expected a function that says for whom a request is; without"
            " one everybody could read every conversation"
        )
    app.mount(
        path,
        SecureHeaders(
            console_app(
                app,
                authorize=authorize,
                read_only=read_only,
                price_lookup=price_lookup,
                limits=limits or Limits(),
            )
        ),
    )


def console_app(
    app: FastAPI,
    *,
    authorize: Authorize,
    read_only: bool,
    price_lookup: PriceLookup | None,
    limits: Limits,
) -> FastAPI:
    """
    Make the console of an application, whose state and overrides it shares.
    """
    console = FastAPI(openapi_url=None)
    console.state = app.state
    console.dependency_overrides = app.dependency_overrides
    files = PageFiles()
    console.include_router(
        console_router(
            files,
            authorize=authorize,
            read_only=read_only,
            price_lookup=price_lookup,
            limits=limits,
        )
    )
    console.mount("/static", files)
    add_problem_handlers(console)
    return console


def console_router(
    files: PageFiles,
    *,
    authorize: Authorize,
    read_only: bool,
    price_lookup: PriceLookup | None,
    limits: Limits,
) -> APIRouter:
    """
    Make the console's routes, each behind *authorize*.
    """
    made = APIRouter(
        dependencies=[
            request_context(authorize, limits, price_lookup),
            console_context(read_only=read_only),
        ],
        route_class=ProblemRoute,
    )

    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    read = partial(made.add_api_route, methods=["GET"])
    read("/", page, methods=["GET", "HEAD"])
    read("/api/about", read_routes.get_about)
    read("/api/sessions", read_routes.list_sessions)
    read("/api/texts", read_routes.find_texts)
    read("/api/rows", read_routes.list_rows_by_id)
    read("/api/session", read_routes.get_session)
    read("/api/runs", read_routes.list_runs)
    read("/api/run", read_routes.get_run)
    read("/api/tree", read_routes.get_tree)
    read("/api/entries", read_routes.list_entries)
    read("/api/event", read_routes.get_event)
    read("/api/find", read_routes.find_in_session)
    read("/api/locate", read_routes.locate)
    read("/api/usage", read_routes.get_usage)
    read("/api/latency", read_routes.get_latency)
    read("/api/export", stream_routes.export_session)
    read("/api/stream", stream_routes.follow_session)
    read("/api/stream/sessions", stream_routes.follow_sessions)
    write = partial(
        made.add_api_route, methods=["POST"], dependencies=[Depends(check_may_write)]
    )
    write("/api/session/rename", write_routes.rename_session)
    write("/api/session/tags", write_routes.tag_session)
    write("/api/session/delete", write_routes.delete_session)
    write("/api/session/restore", write_routes.restore_session)
    return made
