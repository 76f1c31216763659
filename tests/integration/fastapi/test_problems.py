"""
Errors as problem details.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from asm_async import Ports, Session, errors
from asm_async.integrations.fastapi import (
    Limits,
    StoreDep,
    add_problem_handlers,
    ports_lifespan,
    router,
)
from asm_async.integrations.fastapi.access import AllTenants
from asm_async.memory import InMemorySessionStore
from asm_async.testing.factories import make_session
from tests.integration.fastapi.serving import (
    EVERYBODY,
    Service,
    application,
    in_memory_ports,
    open_service,
    served,
)

JSON = {"Content-Type": "application/json"}


def raised(error: errors.ASMError, status: int) -> Any:
    """
    Name a case by its error.
    """
    return pytest.param(error, status, id=error.code)


class BrokenStore(InMemorySessionStore):
    """
    A store with a fault.
    """

    async def get_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Fail in a way that nobody foresaw.
        """
        raise RuntimeError(f"secret of {session_id}, {expected_tenant}")


@asynccontextmanager
async def failing(error: Exception) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Serve an application whose own route raises *error*.
    """
    app = FastAPI(lifespan=ports_lifespan(in_memory_ports()), debug=True)
    add_problem_handlers(app)

    @app.get("/")
    async def fail(store: StoreDep) -> None:
        await store.get_latest_sequence("ses_1")
        raise error

    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


@pytest.mark.parametrize(
    ("error", "status"),
    [
        raised(errors.ValidationError("limit: expected a number"), 422),
        raised(errors.InvalidCursorError("cursor: this is no cursor"), 422),
        raised(errors.SessionNotFoundError("ses_1"), 404),
        raised(errors.EventConflictError("ses_1", "evt_1"), 409),
        raised(errors.RevisionConflictError("run 'run_1'", 1, 2), 409),
        raised(errors.SessionDeletedError("ses_1"), 409),
        raised(errors.UnsupportedOperationError("it cannot"), 501),
        raised(errors.StorageError("secret"), 500),
        raised(errors.MigrationRequiredError("secret"), 500),
        raised(errors.StorageBusyError("secret", outcome_unknown=True), 503),
        raised(errors.StorageUnavailableError("secret"), 503),
        raised(errors.StoreClosedError("secret"), 503),
    ],
)
async def test_each_error_has_its_status(error: errors.ASMError, status: int) -> None:
    """
    An error is described with its code; what a database says is not passed on.
    """
    async with failing(error) as client:
        answer = await client.get("/")
    problem = answer.json()

    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["title"] == HTTPStatus(status).phrase
    assert (problem["type"], problem["code"]) == ("about:blank", error.code)
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    if isinstance(error, errors.StorageError):
        assert problem["outcome_unknown"] is error.outcome_unknown


@pytest.mark.parametrize("debug", [False, True])
async def test_an_unforeseen_error_is_logged_and_not_shown(
    caplog: pytest.LogCaptureFixture, *, debug: bool
) -> None:
    """
    An unknown error is a plain 500, in debug mode too, and its trace is in the log.
    """
    own = in_memory_ports()
    ports = Ports(
        store=BrokenStore(),
        state=own.state,
        query=own.query,
        maintenance=own.maintenance,
        feed=own.feed,
        artifacts=own.artifacts,
    )
    app = application(ports_lifespan(ports))
    app.debug = debug

    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/sessions/ses_1", headers=EVERYBODY)

    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "secret" in caplog.text


async def test_paths_and_methods_that_are_not_there_are_problems_too(
    memory_service: Service,
) -> None:
    """
    With the handlers, whatever an application answers as an error is a problem.
    """
    missing = await memory_service.client.get("/nothing")
    method = await memory_service.client.patch("/sessions")

    assert (missing.status_code, method.status_code) == (404, 405)
    for answer in (missing, method):
        assert answer.headers["content-type"] == "application/problem+json"
    assert method.headers["allow"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'{"agent_id": NaN}', 400),
        (b"[" * 100_000, 400),
        (b"1" * 5_000, 400),
        (b'"\xff"', 400),
        (b"", 400),
        (b"[]", 422),
        (b'{"agent_id": 7}', 422),
        (b'{"agent_id": "a", "color": "blue"}', 422),
        (b"{}", 422),
    ],
)
async def test_a_body_that_is_no_session_is_refused(
    memory_service: Service, content: bytes, status: int
) -> None:
    """
    What is no JSON is 400; what is JSON and no session is 422, naming the culprit.
    """
    answer = await memory_service.client.post(
        "/sessions", content=content, headers=JSON
    )
    assert answer.status_code == status


async def test_a_body_must_be_called_json(memory_service: Service) -> None:
    """
    What a form of another site can send (text/plain) is not read at all.
    """
    answer = await memory_service.client.post(
        "/sessions",
        content=b'{"agent_id": "a"}',
        headers={"Content-Type": "text/plain"},
    )
    assert answer.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


async def test_a_body_that_is_too_long_is_not_read() -> None:
    """
    A body over the bound is 413, whether its length is declared or found out.
    """

    async def pieces() -> AsyncGenerator[bytes]:
        yield b'{"agent_id": "'
        for _ in range(100):
            yield b"a" * 1_000
        yield b'"}'

    async with open_service(None, Limits(max_body_bytes=1_000)) as service:
        declared = await service.client.post(
            "/sessions", content=b" " * 1_001, headers=JSON
        )
        found_out = await service.client.post(
            "/sessions", content=pieces(), headers=JSON
        )
        fits = await service.client.post(
            "/sessions", content=b'{"agent_id": "a"}'.ljust(1_000), headers=JSON
        )

    assert declared.status_code == found_out.status_code == 413
    assert fits.status_code == HTTPStatus.CREATED


async def test_wrong_parameters_are_named(memory_service: Service) -> None:
    """
    A parameter that is wrong is 422, and the detail begins with its name.
    """
    client = memory_service.client
    await client.put(
        "/sessions/ses_1",
        json={
            "agent_id": "a",
            "status": "active",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        },
    )
    wrong = {
        "/sessions?limit=201": "limit: ",
        "/sessions?created_after=2026-01-01": "created_after: ",
        "/sessions?cursor=x": "cursor: ",
        "/sessions?status=asleep": "status.0: ",
        "/events?types=nodot": "types[0]: ",
        "/events/stream?checkpoint=x": "checkpoint: ",
        "/usage?bucket=week": "bucket: ",
        "/cost?group_by=agent&group_by=week": "group_by",
        "/sessions/ses_1/events?after=-1": "after: ",
    }

    for url, beginning in wrong.items():
        answer = await client.get(url)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, url
        assert answer.json()["detail"].startswith(beginning), answer.text


@pytest.mark.parametrize(
    "returned", [None, "", "a" * 256, "a\0", 7, True, AllTenants, "ALL_TENANTS\ud800"]
)
async def test_a_callback_that_names_no_tenant_lets_nobody_in(
    returned: object, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What is neither a tenant's id nor ALL_TENANTS is a fault, and not "everybody".

    Above all None, which a function returns that forgets its ``return``.
    """

    async def forgets() -> Any:
        return returned

    app = FastAPI(lifespan=ports_lifespan(in_memory_ports()))
    app.include_router(router(authorize=forgets))
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        await app.state.asm_async.ports.store.save_session(make_session(id="ses_1"))
        answers = [
            await client.get("/sessions"),
            await client.get("/sessions/ses_1"),
            await client.get("/events/stream"),
            await client.get("/export"),
            await client.get("/health"),
            await client.delete("/sessions/ses_1"),
        ]
        kept = await app.state.asm_async.ports.store.list_sessions()

    for answer in answers:
        assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert answer.json()["code"] == "internal_error"
        assert "ses_1" not in answer.text
    assert len(kept) == 1
    assert "asm_async.integrations.fastapi.ALL_TENANTS" in caplog.text


async def test_requests_that_break_off_leave_nothing_behind(
    memory_service: Service,
) -> None:
    """
    A client that vanishes amid its own body is given up.
    """
    url = httpx.URL(memory_service.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"POST /sessions HTTP/1.1\r\nHost: h\r\nX-Tenant: *\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await memory_service.client.get("/health")).json() == {"status": "ok"}
