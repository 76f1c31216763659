"""
An application behind a real server, in the event loop of the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import attrs
import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async import Event, InMemoryPorts, Ports
from asm_async.integrations.fastapi import (
    ALL_TENANTS,
    Access,
    Limits,
    add_problem_handlers,
    end_streams,
    engine_lifespan,
    health_router,
    ports_lifespan,
    router,
)
from asm_async.integrations.fastapi.lifespan import Lifespan
from asm_async.integrations.fastapi.ports import app_state_of
from asm_async.sql import create_engine
from asm_async.sql.runtime.shared_state import shared_state
from tests.integration.fastapi.reused_applications import reused_application

__all__ = [
    "EVERYBODY",
    "Service",
    "add_routes",
    "application",
    "as_tenant",
    "event_body",
    "in_memory_ports",
    "new_client",
    "open_service",
    "served",
]

EVERYBODY = {"X-Tenant": "*"}
"""
What a request says that is no tenant's.
"""

# A client makes one that knows all authorities, which takes longer than most requests.
_WITHOUT_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def new_client(
    url: str, headers: Mapping[str, str] = EVERYBODY, *, timeout: float = 5
) -> httpx.AsyncClient:
    """
    Make a client of what is served without TLS.
    """
    return httpx.AsyncClient(
        base_url=url, headers=headers, timeout=timeout, verify=_WITHOUT_AUTHORITIES
    )


def as_tenant(tenant_id: str) -> dict[str, str]:
    """
    Return what a request of a tenant says.
    """
    return {"X-Tenant": tenant_id}


def event_body(event: Event) -> dict[str, Any]:
    """
    Return what POST takes for an event.
    """
    plain = event.to_dict()
    del plain["session_id"], plain["sequence_number"]
    return plain


async def authorize(request: Request) -> Access:
    """
    Believe what a request says of itself, as only a test may.
    """
    tenant_id = request.headers.get("X-Tenant")
    if tenant_id is None:
        challenge = {"WWW-Authenticate": "Test"}
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "who asks?", headers=challenge)
    return ALL_TENANTS if tenant_id == "*" else tenant_id


def in_memory_ports() -> Ports:
    """
    Make ports without a database.
    """
    return InMemoryPorts()


def application(lifespan: Lifespan, limits: Limits | None = None) -> FastAPI:
    """
    Make an application with all routes.
    """
    app = FastAPI(lifespan=lifespan)
    add_routes(app, limits)
    return app


def add_routes(app: FastAPI, limits: Limits | None = None) -> None:
    """
    Add all routes to an application.
    """
    app.include_router(router(authorize=authorize, limits=limits))
    app.include_router(health_router())
    add_problem_handlers(app)


class _Server(uvicorn.Server):
    """
    A server that tells when it serves, and leaves the signals to pytest.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    """
    Serve *app* on the loopback interface and give its URL.

    In the end its open streams are ended and the server stops, which proves that none
    keeps it from stopping.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="on", ws="none")
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.is_ready.wait())
    await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        await serving
    try:
        host, port = listener.getsockname()
        yield f"http://{host}:{port}"
    finally:
        if not serving.done():
            end_streams(app)
        server.should_exit = True
        async with asyncio.timeout(10):
            await serving


@attrs.frozen(kw_only=True)
class Service:
    """
    A served application, a client of it, and what it holds.
    """

    app: FastAPI
    """
    What is served.
    """

    url: str
    """
    Where.
    """

    client: httpx.AsyncClient
    """
    A client that may see everything.
    """

    engine: AsyncEngine | None
    """
    What its ports stand on; None in memory.
    """

    def client_of(self, tenant_id: str) -> httpx.AsyncClient:
        """
        Make a client that a tenant uses.
        """
        return new_client(self.url, as_tenant(tenant_id))

    async def new_session(self, tenant_id: str = "*", **fields: object) -> str:
        """
        Begin a session and give its id.
        """
        answer = await self.client.post(
            "/sessions",
            json={"agent_id": "assistant", **fields},
            headers=as_tenant(tenant_id),
        )
        assert answer.status_code == HTTPStatus.CREATED, answer.text
        return str(answer.json()["id"])

    @property
    def ports(self) -> Ports:
        """
        What is served.
        """
        return app_state_of(self.app).ports

    @property
    def open_streams(self) -> int:
        """
        How many streams the application has open.
        """
        return len(app_state_of(self.app).streams)

    @property
    def connections(self) -> int:
        """
        How many connections are checked out.
        """
        if self.engine is None:
            return 0
        assert isinstance(self.engine.pool, QueuePool)
        return self.engine.pool.checkedout()

    async def assert_nothing_is_held(self) -> None:
        """
        Prove that no stream is open and no connection is checked out.
        """
        if self.engine is not None:
            # What tells other processes of the appends borrows one, too.
            await shared_state(self.engine).announcer.settle()
        assert (self.open_streams, self.connections) == (0, 0)


@asynccontextmanager
async def open_service(
    url: str | None, limits: Limits | None = None
) -> AsyncGenerator[Service]:
    """
    Serve an application over a database that has our tables, or over none.
    """
    engine = None if url is None else create_engine(url)
    lifespan = (
        ports_lifespan(in_memory_ports()) if engine is None else engine_lifespan(engine)
    )
    add = partial(add_routes, limits=limits)
    tasks_before = asyncio.all_tasks()
    async with (
        reused_application(lifespan, add, ("routes", limits)) as app,
        served(app) as address,
        new_client(address, timeout=20) as client,
    ):
        service = Service(app=app, url=address, client=client, engine=engine)
        yield service
    if engine is not None:
        await shared_state(engine).announcer.settle()
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedout() == 0
        await engine.dispose()
    left = asyncio.all_tasks() - tasks_before - {asyncio.current_task()}
    assert not left, left
