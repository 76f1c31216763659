"""
What a request of the console works with, and whether it may write.

Annotations are evaluated where they stand here, since one names an argument.
"""

from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

import attrs
from fastapi import Depends, Query
from fastapi.params import Depends as Dependency
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers
from starlette.requests import Request

from asm_async.integrations.fastapi.access import ContextDep
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.integrations.fastapi.tenant_view import TenantView
from asm_async.ports.together import Ports
from asm_async.values.fields import MAX_TEXT_LENGTH
from asm_async.values.token_price import PriceLookup

MARK = "X-ASM-Console"
"""
The field that a request to write has to have.

A form of another site cannot send it, and a script of another site must ask first,
which nobody allows (Fetch standard, CORS-preflight).
"""

_SCOPE_KEY = "asm_async.console"

SessionId: TypeAlias = Annotated[str, Query(min_length=1, max_length=MAX_TEXT_LENGTH)]
RunId: TypeAlias = Annotated[str, Query(min_length=1, max_length=MAX_TEXT_LENGTH)]
Sequence: TypeAlias = Annotated[int, Query(ge=1, le=2**53 - 1)]


@attrs.frozen(kw_only=True, eq=False)
class Reader:
    """
    What an authorized request reads, as its tenant sees it.
    """

    view: TenantView
    """
    What exists for the tenant; JSON is not decoded where the adapter can leave that.
    """

    ports: Ports
    """
    The ports themselves, for what belongs to something that *view* has shown.
    """

    whole_ports: Ports
    """
    The same, with JSON decoded: what is read to be saved again.
    """

    engine: AsyncEngine | None
    """
    What they stand on; None if that is no database.
    """

    tenant_id: str | None
    """
    The tenant; None for an operator, for whom all tenants' sessions exist.
    """

    price_lookup: PriceLookup | None
    read_only: bool


def console_context(*, read_only: bool) -> Dependency:
    """
    Make the dependency that tells the console's routes whether it may write.
    """

    async def note(request: Request) -> None:
        request.scope[_SCOPE_KEY] = read_only

    return Dependency(note)


async def _reader(request: Request, context: ContextDep) -> Reader:
    return Reader(
        view=TenantView(context.state.passing_ports, context.tenant_id),
        ports=context.state.passing_ports,
        whole_ports=context.state.ports,
        engine=getattr(context.state.ports, "engine", None),
        tenant_id=context.tenant_id,
        price_lookup=context.price_lookup,
        read_only=request.scope[_SCOPE_KEY],
    )


ReaderDep: TypeAlias = Annotated[Reader, Depends(_reader)]


async def check_may_write(request: Request, reader: ReaderDep) -> None:
    """
    Refuse a write to a console that only reads, and one that another site sent.
    """
    if reader.read_only:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "read_only",
            "This console only reads. Start it with --writable, or mount it with"
            " read_only=False.",
        )
    if request.headers.get(MARK) != "1" or not is_own_site(request.headers):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "cross_site",
            "Only the console's own page may write: the request lacks its mark or comes"
            " from elsewhere.",
        )


def is_own_site(headers: Headers) -> bool:
    """
    Return whether a request comes from a page of the host that it is sent to.

    Programs that are no browsers say nothing of a page, and pass.
    """
    origin: Any = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return False
    return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
