"""
Routes for all of the ports: what each path answers, and by which function.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType

from fastapi import APIRouter

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi import (
    event_routes,
    item_routes,
    run_routes,
    schemas,
    service_routes,
    session_routes,
    stream_routes,
)
from asm_async.integrations.fastapi.access import Authorize, Limits, request_context
from asm_async.integrations.fastapi.described_routes import add_route
from asm_async.integrations.fastapi.problems import ProblemRoute
from asm_async.integrations.fastapi.stream_routes import EventStream
from asm_async.integrations.fastapi.streams import ExportStream
from asm_async.values.token_price import PriceLookup


def router(
    *,
    authorize: Authorize,
    limits: Limits | None = None,
    price_lookup: PriceLookup | None = None,
    prefix: str = "",
) -> APIRouter:
    """
    Make routes for sessions, runs, events, searches, usage, cost, health and streams.

    **Access.** Every request is first put to *authorize*. If it names a tenant, only
    that tenant's sessions exist for the request: what is another's is not found, what
    is saved is the tenant's, and no list, sum, export or stream shows anything else. A
    request is decided on once, when it comes; a stream, at each reconnection.

    **Writes.** ETags are revisions and latest numbers, and ``If-Match`` expects them.
    An event is appended once, however often it is posted.

    **Errors** are problem details (RFC 9457), never traces.

    Args:
        authorize: A FastAPI dependency that lets a request in by returning, and keeps
            it out by raising, such as ``HTTPException(401)``. It returns the tenant's
            id, or ``ALL_TENANTS`` for an operator, who may see and do everything. With
            anything else, such as None, the request is answered with 500. Where it uses
            the classes of ``fastapi.security``, OpenAPI has their schemes.

        limits: How much a request may send and receive.

        price_lookup: As for
            :meth:`~asm_async.ports.query_api.QueryAPI.get_cost_summary`.

        prefix: What all paths begin with.

    Raises:
        ValidationError: If *authorize* cannot be called.
    """
    if not callable(authorize):
        raise ValidationError(
            "authorize: expected a function that says for whom a request is; without"
            " one everybody could read every conversation"
        )
    context = request_context(authorize, limits or Limits(), price_lookup)
    made = APIRouter(prefix=prefix, dependencies=[context], route_class=ProblemRoute)
    _add_session_routes(made)
    _add_run_routes(made)
    _add_event_routes(made)
    _add_item_routes(made)
    _add_search_routes(made)
    _add_stream_routes(made)
    _add_service_routes(made)
    return made


_SESSION = "/sessions/{session_id}"
_RUNS = f"{_SESSION}/runs"
_EVENTS = f"{_SESSION}/events"

_NOT_MODIFIED = MappingProxyType({304: {"description": "It is as it was."}})
# A tenant may have too many of them open.
_OF_STREAMS = (404, 429)
# What a write may answer that takes If-Match.
_CONDITIONAL = (404, 409, 412)


def _add_session_routes(router: APIRouter) -> None:
    add = partial(add_route, router, tags=["sessions"])
    add_one = partial(add, model=schemas.SessionView, headers=["ETag"])
    page, stats = schemas.SessionPage, schemas.SessionStatsView
    add("/sessions", session_routes.list_sessions, page, headers=["Link"])
    add_one(
        "/sessions",
        session_routes.begin_session,
        method="POST",
        status=201,
        body=schemas.NewSessionBody,
        headers=["ETag", "Location"],
        problems=[409],
    )
    add_one(_SESSION, session_routes.get_session, others=_NOT_MODIFIED)
    add_one(
        _SESSION,
        session_routes.save_session,
        method="PUT",
        body=schemas.SessionBody,
        problems=_CONDITIONAL,
    )
    add_one(
        f"{_SESSION}/copies",
        session_routes.copy_session,
        method="POST",
        status=201,
        body=schemas.CopyBody,
        headers=["ETag", "Location"],
        problems=[404, 409],
    )
    add(_SESSION, session_routes.delete_session, None, method="DELETE", status=204)
    add_one(f"{_SESSION}/restore", session_routes.restore_session, method="POST")
    add(f"{_SESSION}/stats", session_routes.get_session_stats, stats)
    export = schemas.SessionExportView
    add(
        f"{_SESSION}/export",
        session_routes.export_session,
        export,
        problems=_OF_STREAMS,
    )


def _add_run_routes(router: APIRouter) -> None:
    add = partial(add_route, router, tags=["runs"])
    add_one = partial(add, model=schemas.RunView, headers=["ETag"])
    one = f"{_RUNS}/{{run_id}}"
    add(_RUNS, run_routes.list_session_runs, schemas.RunPage, headers=["Link"])
    add_one(
        _RUNS,
        run_routes.begin_run,
        method="POST",
        status=201,
        body=schemas.NewRunBody,
        headers=["ETag", "Location"],
        problems=[404, 409],
    )
    add_one(one, run_routes.get_run, others=_NOT_MODIFIED)
    add_one(
        one,
        run_routes.save_run,
        method="PUT",
        body=schemas.RunBody,
        problems=_CONDITIONAL,
    )
    add(
        f"{_SESSION}/commit",
        run_routes.commit,
        schemas.CommittedView,
        method="POST",
        body=schemas.CommitBody,
        problems=_CONDITIONAL,
    )


def _add_event_routes(router: APIRouter) -> None:
    add = partial(add_route, router, tags=["events"])
    events, event = schemas.EventList, schemas.EventView
    add(_EVENTS, event_routes.list_session_events, events, headers=["ETag", "Link"])
    append = partial(
        add, method="POST", status=201, headers=["ETag"], problems=_CONDITIONAL
    )
    there = "It was there already."
    append(
        _EVENTS,
        event_routes.append_event,
        event,
        body=schemas.EventBody,
        others={200: {"model": event, "description": there}},
    )
    append(
        f"{_EVENTS}/batch",
        event_routes.append_events,
        events,
        body=schemas.EventBatchBody,
        others={200: {"model": events, "description": there}},
    )
    append(
        f"{_SESSION}/retractions",
        event_routes.retract_events,
        events,
        body=schemas.RetractionBody,
        others={200: {"model": events, "description": there}},
    )


def _add_item_routes(router: APIRouter) -> None:
    add = partial(add_route, router, tags=["state"])
    one, item = f"{_SESSION}/state/item", schemas.StateItemView
    page = schemas.StateItemPage
    add(f"{_SESSION}/state", item_routes.list_items, page, headers=["Link"])
    add(one, item_routes.get_item, item, headers=["ETag"], others=_NOT_MODIFIED)
    add(
        one,
        item_routes.save_item,
        item,
        method="PUT",
        body=schemas.StateItemBody,
        headers=["ETag"],
        problems=_CONDITIONAL,
    )
    add(
        one,
        item_routes.delete_item,
        None,
        method="DELETE",
        status=204,
        problems=_CONDITIONAL,
    )


def _add_search_routes(router: APIRouter) -> None:
    add = partial(add_route, router, tags=["search"])
    add("/runs", service_routes.search_runs, schemas.RunPage, headers=["Link"])
    add("/events", service_routes.search_events, schemas.EventPage, headers=["Link"])
    add("/events/count", service_routes.count_events, schemas.EventCount)
    add(
        "/texts",
        service_routes.search_text,
        schemas.TextPage,
        headers=["Link"],
        problems=[404, 501],
    )
    add("/usage", service_routes.get_usage, schemas.UsageSummaryView)
    add("/cost", service_routes.get_cost, schemas.CostSummaryView)


def _add_stream_routes(router: APIRouter) -> None:
    stream = {
        "description": "Server-sent events, each with an event as its data.",
        "content": {
            EventStream.media_type: {
                "schema": {"type": "string"},
                "example": 'id: 1\ndata: {"id": "evt_1", "type": "message_sent",'
                ' "sequence_number": 1, ...}\n\n',
            }
        },
    }
    add = partial(
        add_route,
        router,
        model=None,
        others={200: stream},
        response_class=EventStream,
        problems=_OF_STREAMS,
        tags=["streams"],
    )
    add(f"{_EVENTS}/stream", stream_routes.follow_session)
    add("/events/stream", stream_routes.follow_all)


def _add_service_routes(router: APIRouter) -> None:
    add = partial(add_route, router, tags=["service"])
    add("/health", service_routes.get_health, schemas.HealthView, problems=[])
    issues = service_routes.get_health_issues
    add("/health/issues", issues, schemas.HealthReport, problems=[])
    content = {ExportStream.media_type: {"schema": {"type": "string"}}}
    add(
        "/export",
        service_routes.export_sessions,
        None,
        others={200: {"description": "The export.", "content": content}},
        problems=_OF_STREAMS,
        response_class=ExportStream,
    )
