"""
What a process manager asks: whether the process serves, and whether it is ready to.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException

from asm_async import Ports
from asm_async.errors import StorageUnavailableError, ValidationError
from asm_async.integrations.fastapi import (
    end_streams,
    engine_lifespan,
    health_router,
    ports_lifespan,
)
from asm_async.memory import InMemorySessionStore
from asm_async.sql import create_engine
from asm_async.testing.factories import make_event, make_session
from tests.integration.fastapi.serving import (
    Service,
    application,
    in_memory_ports,
    served,
)
from tests.integration.test_stuck_writers import locked
from tests.proxies import by_way, way_to

LIVE, READY = "/health/live", "/health/ready"
LONG_SECONDS = 20


class CountingStore(InMemorySessionStore):
    """
    A store that answers when it is let, and counts how often it was asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.questions: int = 0
        self.may_answer: asyncio.Event = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def get_latest_sequence(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> int:
        """
        Answer once it may, or fail.
        """
        self.questions += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return await super().get_latest_sequence(
            session_id, expected_tenant=expected_tenant
        )


def ports_with(store: InMemorySessionStore) -> Ports:
    """
    Make ports whose store is another one.
    """
    own = in_memory_ports()
    return Ports(
        store=store,
        state=own.state,
        query=own.query,
        maintenance=own.maintenance,
        feed=own.feed,
        artifacts=own.artifacts,
    )


def problem(status: int) -> dict[str, object]:
    """
    Return all that a probe says if the service is not ready.
    """
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "The service is not ready.",
        "code": "not_ready",
    }


async def test_anybody_may_probe(service: Service) -> None:
    """
    GET and HEAD answer without authorization, with no more than a status.
    """
    async with httpx.AsyncClient(base_url=service.url) as nobody:
        for path in (LIVE, READY):
            got, head = await nobody.get(path), await nobody.head(path)
            assert (got.status_code, got.json()) == (200, {"status": "ok"})
            assert (head.status_code, head.content) == (200, b"")
            assert got.headers["cache-control"] == "no-store"


async def test_a_server_that_vanishes_makes_a_service_not_ready(
    migrated_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A silent or lost server is noticed within the bound, said once, and forgotten.
    """
    caplog.set_level("INFO", "asm_async.integrations.fastapi.readiness")
    clock = asyncio.get_running_loop().time
    async with way_to(migrated_postgres_url) as way, AsyncExitStack() as stack:
        engine = create_engine(by_way(way, migrated_postgres_url))
        stack.push_async_callback(engine.dispose)
        app = application(engine_lifespan(engine))
        url = await stack.enter_async_context(served(app))
        nobody = httpx.AsyncClient(base_url=url, timeout=LONG_SECONDS)
        await stack.enter_async_context(nobody)
        assert (await nobody.get(READY)).status_code == HTTPStatus.OK
        way.fall_silent()
        async with asyncio.timeout(LONG_SECONDS):
            while (answer := await nobody.get(READY)).status_code == HTTPStatus.OK:
                pass
        begun = clock()
        again = await nobody.get(READY)
        elapsed = clock() - begun
        is_live = (await nobody.get(LIVE)).status_code
        way.speak()
        async with asyncio.timeout(LONG_SECONDS):
            while (await nobody.get(READY)).status_code != HTTPStatus.OK:
                pass
    said = [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.endswith(".readiness")
    ]

    assert (answer.status_code, answer.json()) == (503, problem(503))
    assert (again.status_code, is_live) == (503, 200)
    assert elapsed < 2
    assert [level for level, _ in said] == ["WARNING", "INFO"]
    assert "not ready" in said[0][1]


async def test_a_probe_waits_for_no_writer(url: str) -> None:
    """
    However many writers are stuck, a service on few connections is ready.
    """
    engine = create_engine(url, pool_size=4, max_overflow=0)
    app = application(engine_lifespan(engine))
    ids = [f"ses_{number}" for number in range(12)]
    async with served(app) as address, httpx.AsyncClient(base_url=address) as nobody:
        store = app.state.asm_async.ports.store
        for id_ in ids:
            await store.save_session(make_session(id=id_))
        async with locked(url, *ids):
            writing = [
                asyncio.create_task(store.append_event(make_event(session_id=id_)))
                for id_ in ids
            ]
            # Long enough for groups to be taken apart.
            await asyncio.wait(writing, timeout=0.8)
            assert not any(task.done() for task in writing)
            answer = await nobody.get(READY)
        await asyncio.gather(*writing)
    await engine.dispose()

    assert answer.status_code == HTTPStatus.OK


async def test_many_probes_share_one_question() -> None:
    """
    Those who ask at once, and within a second, cause one read; none waits for long.
    """
    store = CountingStore()
    async with (
        served(application(ports_lifespan(ports_with(store)))) as url,
        httpx.AsyncClient(base_url=url, timeout=LONG_SECONDS) as nobody,
    ):
        store.may_answer.clear()
        asking = [asyncio.create_task(nobody.get(READY)) for _ in range(20)]
        while not store.questions:  # noqa: ASYNC110 - until the first is there
            await asyncio.sleep(0)
        store.may_answer.set()
        answers = await asyncio.gather(*asking)
        later = await nobody.get(READY)
        asked = store.questions

    assert {answer.status_code for answer in (*answers, later)} == {200}
    assert asked == 1


async def test_a_prober_that_hangs_up_takes_nobodys_answer_away() -> None:
    """
    The question goes on for the others, and for whoever asks next.
    """
    store = CountingStore()
    app = application(ports_lifespan(ports_with(store)))
    async with app.router.lifespan_context(app):
        readiness = app.state.asm_async.readiness
        store.may_answer.clear()
        first, second = (
            asyncio.create_task(readiness.is_ready(LONG_SECONDS)) for _ in range(2)
        )
        while not store.questions:  # noqa: ASYNC110 - until the first is there
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        store.may_answer.set()

        assert await second
        assert store.questions == 1


@pytest.mark.parametrize(
    "error", [StorageUnavailableError("host db.internal"), RuntimeError("secret")]
)
async def test_a_probe_tells_nothing_of_an_error(error: Exception) -> None:
    """
    Whatever fails, and however, the answer is the same 503.
    """
    store = CountingStore()
    store.error = error
    async with (
        served(application(ports_lifespan(ports_with(store)))) as url,
        httpx.AsyncClient(base_url=url) as nobody,
    ):
        answer = await nobody.get(READY)

    assert (answer.status_code, answer.json()) == (503, problem(503))
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_service_that_stops_is_not_ready() -> None:
    """
    From the signal on a service is live and not ready, and no question is left behind.
    """
    store = CountingStore()
    app = application(ports_lifespan(ports_with(store)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://h") as nobody:
        before = await nobody.get(READY)
        async with app.router.lifespan_context(app):
            during = await nobody.get(READY)
            end_streams(app)  # what a signal does
            stopping = await nobody.get(READY)
            is_live = await nobody.get(LIVE)
            store.may_answer.clear()
            readiness = app.state.asm_async.readiness
            assert await readiness.is_ready(LONG_SECONDS)
        after = await nobody.get(READY)

    codes = [answer.status_code for answer in (before, during, stopping, after)]
    assert codes == [503, 200, 503, 503]
    assert is_live.status_code == HTTPStatus.OK


async def test_a_lifespan_breaks_off_a_question() -> None:
    """
    A database that does not answer keeps no application from stopping.
    """
    store = CountingStore()
    store.may_answer.clear()
    app = application(ports_lifespan(ports_with(store)))
    async with asyncio.timeout(LONG_SECONDS):
        async with app.router.lifespan_context(app):
            readiness = app.state.asm_async.readiness
            asking = asyncio.create_task(readiness.is_ready(10 * LONG_SECONDS))
            while not store.questions:  # noqa: ASYNC110 - until it is there
                await asyncio.sleep(0)
        assert not await asking


async def test_probes_stand_where_the_host_puts_them() -> None:
    """
    A prefix of either kind counts, and dependencies of the whole application do not.
    """

    async def nobody_comes_in() -> None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED)

    app = FastAPI(
        lifespan=ports_lifespan(in_memory_ports()),
        dependencies=[Depends(nobody_comes_in)],
    )
    app.include_router(health_router(prefix="/a"), prefix="/b")
    async with served(app) as url, httpx.AsyncClient(base_url=url) as nobody:
        answers = [await nobody.get(f"/b/a{path}") for path in (LIVE, READY)]
        elsewhere = await nobody.get(LIVE)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert elsewhere.status_code == HTTPStatus.NOT_FOUND
    assert app.openapi()["paths"] == {}


@pytest.mark.parametrize("timeout", [0, -1, "1", float("nan")])
def test_a_timeout_is_a_number_of_seconds(timeout: object) -> None:
    """
    What is no time is refused when the routes are made.
    """
    with pytest.raises(ValidationError, match=r"^timeout: "):
        health_router(timeout=timeout)  # type: ignore[arg-type] # what is refused
