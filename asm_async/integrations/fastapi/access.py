"""
Authorization: the callback that decides, and what it decided for a request; limits.

Annotations are evaluated where they stand here, since one names an argument.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Final, TypeAlias

import attrs
from fastapi import Depends
from fastapi.params import Depends as Dependency
from starlette.requests import Request

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.open_streams import Place
from asm_async.integrations.fastapi.ports import AppState, app_state_of
from asm_async.integrations.fastapi.tenant_view import TenantView
from asm_async.values import fields
from asm_async.values.fields import PositiveCount
from asm_async.values.token_price import PriceLookup
from asm_async.values.value import Value


class AllTenants(Enum):
    """
    The access of an operator: the sessions of all tenants.

    It has one member, so that a checker tells it from a tenant's id; it is no text,
    since any text may be one.
    """

    ALL_TENANTS = "all tenants"


ALL_TENANTS: Final = AllTenants.ALL_TENANTS
"""
For an operator, who may see and do everything.
"""

Access: TypeAlias = str | AllTenants
"""
For whom a request is: a tenant's id, or :data:`ALL_TENANTS`.
"""

Authorize: TypeAlias = Callable[
    ..., Access | Awaitable[Access] | Iterator[Access] | AsyncIterator[Access]
]
"""
A FastAPI dependency that returns or yields for whom a request is.
"""


def seconds_above_zero(value: object, name: str) -> float:
    """
    Accept a number of seconds above 0.
    """
    if not (seconds := fields.amount(value, name)):
        raise ValidationError(f"{name}: expected a time in seconds, got 0")
    return seconds


Seconds: TypeAlias = Annotated[float, seconds_above_zero]


@attrs.frozen(kw_only=True)
class Limits(Value):
    """
    How much a router takes and holds open.

    Raises:
        ValidationError: Naming the limit that is wrong.
    """

    max_body_bytes: PositiveCount = 1 << 20
    """
    The longest body of a request; longer ones are answered with 413.
    """

    max_page_bytes: PositiveCount = 1 << 22
    """
    About how many bytes a page has: it ends before it is full, with a link to the next.
    """

    max_tags: PositiveCount = 100
    """
    How many tags a session may be saved with; more are answered with 422.
    """

    max_events_per_request: PositiveCount = 1_000
    """
    How many events a batch, and events or runs a commit, may have; more are answered
    with 422.
    """

    max_streams: PositiveCount = 1_000
    """
    How many streams one worker has open at once, exports among them; further ones are
    answered with 503.
    """

    max_streams_per_tenant: PositiveCount = 250
    """
    How many of them are one tenant's; further ones are answered with 429.
    """

    max_exports: PositiveCount = 20
    """
    How many exports one worker has open at once: each may need a temporary file as long
    as the longest session. Further ones are answered with 503.
    """

    max_exports_per_tenant: PositiveCount = 2
    """
    How many of them are one tenant's; further ones are answered with 429.
    """

    max_stream_seconds: Seconds = 3_600.0
    """
    How long a stream lasts before its client has to ask for it again, which an
    ``EventSource`` does by itself, and with it to be authorized again.
    """

    heartbeat_seconds: Seconds = 15.0
    """
    How long a stream is silent at most: proxies may close silent connections, and a
    client that vanished without closing its own is noticed when it is written to.
    """

    def places(self, tenant_id: str | None, *, is_export: bool) -> list[Place]:
        """
        Return what an open stream counts against, and how many there may be of each.
        """
        places = [Place("streams", None, self.max_streams)]
        if is_export:
            places.append(Place("exports", None, self.max_exports))
        if tenant_id is not None:
            places.append(Place("streams", tenant_id, self.max_streams_per_tenant))
            if is_export:
                places.append(Place("exports", tenant_id, self.max_exports_per_tenant))
        return places


_SCOPE_KEY = "asm_async.request_context"


@attrs.frozen(kw_only=True, eq=False)
class RequestContext:
    """
    What an authorized request works with; without a tenant, all tenants' sessions.
    """

    state: AppState
    tenant_id: str | None
    limits: Limits
    price_lookup: PriceLookup | None = None


def request_context(
    authorize: Authorize, limits: Limits, price_lookup: PriceLookup | None
) -> Dependency:
    """
    Make the dependency that each route of a router begins with.
    """

    async def admit(
        request: Request, access: Annotated[Any, Depends(authorize)]
    ) -> None:
        tenant_id = _tenant_of(access)
        state = app_state_of(request.app)
        state.note_request()
        request.scope[_SCOPE_KEY] = RequestContext(
            state=state,
            tenant_id=tenant_id,
            limits=limits,
            price_lookup=price_lookup,
        )

    return Dependency(admit)


def _tenant_of(access: object) -> str | None:
    """
    Return the tenant's id, or None for all; anything else must not pass for either.

    A function that forgets its ``return`` returns None.
    """
    if access is ALL_TENANTS:
        return None
    try:
        return fields.text(access, "tenant_id")
    except ValidationError:
        raise RuntimeError(
            "authorize has to return the tenant's id (1 to 255 characters), or"
            " asm_async.integrations.fastapi.ALL_TENANTS for an operator; it returned"
            f" a {type(access).__name__} that is neither"
        ) from None


async def _context_of(request: Request) -> RequestContext:
    # A route without the dependency that makes it fails here, and serves nothing.
    context: RequestContext = request.scope[_SCOPE_KEY]
    return context


ContextDep: TypeAlias = Annotated[RequestContext, Depends(_context_of)]


async def _view_of(context: ContextDep) -> TenantView:
    return TenantView(context.state.passing_ports, context.tenant_id)


ViewDep: TypeAlias = Annotated[TenantView, Depends(_view_of)]
