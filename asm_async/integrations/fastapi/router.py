"""
Routes for all of the ports.
"""

from __future__ import annotations

from fastapi import APIRouter

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import Authorize, request_context
from asm_async.integrations.fastapi.event_routes import add_event_routes
from asm_async.integrations.fastapi.limits import Limits
from asm_async.integrations.fastapi.problems import ProblemRoute
from asm_async.integrations.fastapi.run_routes import add_run_routes
from asm_async.integrations.fastapi.search_routes import add_search_routes
from asm_async.integrations.fastapi.service_routes import add_service_routes
from asm_async.integrations.fastapi.session_routes import add_session_routes
from asm_async.integrations.fastapi.stream_routes import add_stream_routes
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
    request is decided on once, when it comes; a stream, whenever it is asked for anew.

    **Writes.** ETags are revisions and latest numbers, and ``If-Match`` expects them.
    An event is appended once, however often it is posted.

    **Errors** are problem details (RFC 9457), never traces.

    Args:
        authorize: A FastAPI dependency that lets a request in by returning, and keeps
            it out by raising, such as ``HTTPException(401)``. It returns the tenant, or
            None for an operator, who may see and do everything.

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
    add_session_routes(made)
    add_run_routes(made)
    add_event_routes(made)
    add_search_routes(made)
    add_stream_routes(made)
    add_service_routes(made)
    return made
