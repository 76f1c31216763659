"""
The console of an application behind a real server, in the event loop of the test.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import attrs
import httpx

from asm_async import Ports
from asm_async.console import mount
from asm_async.integrations.fastapi import Limits, engine_lifespan, ports_lifespan
from asm_async.integrations.fastapi.ports import app_state_of
from asm_async.sql import create_engine
from asm_async.values.token_price import PriceLookup
from tests.integration.fastapi.reused_applications import reused_application
from tests.integration.fastapi.serving import (
    Service,
    as_tenant,
    authorize,
    in_memory_ports,
    new_client,
    served,
)

__all__ = ["MARKED", "PATH", "Console", "open_console"]

PATH = "/ops/console"
"""
Where the console is.
"""

MARKED = {"X-ASM-Console": "1"}
"""
What the page's requests to write say.
"""


@attrs.frozen(kw_only=True)
class Console(Service):
    """
    A served console, and a client of it that may see everything.
    """

    async def get(self, path: str, **parameters: Any) -> Any:
        """
        Return what a route answers.
        """
        answer = await self.client.get(f"{PATH}/api/{path}", params=parameters)
        assert answer.status_code == HTTPStatus.OK, answer.text
        return answer.json()

    async def post(
        self, path: str, body: Mapping[str, Any], **parameters: Any
    ) -> httpx.Response:
        """
        Send what the page sends to write something.
        """
        return await self.client.post(
            f"{PATH}/api/{path}", json=body, params=parameters, headers=MARKED
        )

    def of_tenant(self, tenant_id: str) -> httpx.AsyncClient:
        """
        Make a client that a tenant uses.
        """
        return new_client(f"{self.url}{PATH}/", as_tenant(tenant_id))


@asynccontextmanager
async def open_console(
    url: str | None,
    *,
    read_only: bool = True,
    price_lookup: PriceLookup | None = None,
    limits: Limits | None = None,
    ports: Ports | None = None,
) -> AsyncGenerator[Console]:
    """
    Serve a console over a database that has our tables, or over none.
    """
    engine = None if url is None else create_engine(url)
    lifespan = (
        ports_lifespan(ports or in_memory_ports())
        if engine is None
        else engine_lifespan(engine)
    )
    add = partial(
        mount,
        path=PATH,
        authorize=authorize,
        read_only=read_only,
        price_lookup=price_lookup,
        limits=limits,
    )
    key = ("console", read_only, price_lookup, limits)
    try:
        async with (
            reused_application(lifespan, add, key) as app,
            served(app) as address,
            new_client(address, timeout=20) as client,
        ):
            assert app_state_of(app).ports is not None
            yield Console(app=app, url=address, client=client, engine=engine)
    finally:
        if engine is not None:
            await engine.dispose()
