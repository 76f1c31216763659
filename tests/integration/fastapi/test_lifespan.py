"""
The ports for as long as an application runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from asm_async import Ports, Session, errors
from asm_async.integrations.fastapi import (
    FeedDep,
    MaintenanceDep,
    QueryDep,
    StoreDep,
    engine_lifespan,
    lifespan,
)
from asm_async.integrations.fastapi.lifespan import Lifespan
from asm_async.integrations.fastapi.ports import app_state_of
from asm_async.sql import SQLSessionStore, create_engine
from tests.integration.fastapi.serving import served


def with_own_route(lifespan: Lifespan) -> FastAPI:
    """
    Make an application with a route of its own that uses all ports.
    """
    app = FastAPI(lifespan=lifespan)

    @app.post("/")
    async def use(
        store: StoreDep, query: QueryDep, maintenance: MaintenanceDep, feed: FeedDep
    ) -> dict[str, int]:
        session = await store.save_session(Session.new(agent_id="assistant"))
        deleted = await maintenance.soft_delete_session(session.id)
        await maintenance.restore_session(deleted.id)
        page = await query.search_sessions()
        lag = await feed.feed_lag()
        return {"sessions": len(page.items), "lag": lag.pending_events}

    return app


async def test_the_dependencies_are_the_ports_of_the_lifespan(
    served_url: str | None, tmp_path: Path
) -> None:
    """
    Routes of the application's own get the ports of a database that was migrated.
    """
    url = served_url or f"sqlite+aiosqlite:///{tmp_path / 'new.sqlite3'}"
    app = with_own_route(lifespan(url, migrate=True))

    async with served(app) as address, httpx.AsyncClient() as client:
        ports: Ports = app_state_of(app).ports
        answer = await client.post(address)

    assert answer.json() == {"sessions": 1, "lag": 0}
    with pytest.raises(errors.StoreClosedError):
        await ports.store.list_sessions()
    with pytest.raises(RuntimeError, match="no ports"):
        app_state_of(app)


async def test_a_lifespan_of_the_applications_own_enters_ours(tmp_path: Path) -> None:
    """
    What the application opens around and within ours is closed in reverse.
    """
    seen: list[str] = []
    ours = lifespan(f"sqlite+aiosqlite:///{tmp_path / 'a.sqlite3'}", migrate=True)

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncGenerator[None]:
        seen.append("begin")
        async with ours(app):
            await app_state_of(app).ports.store.save_session(
                Session.new(agent_id="assistant")
            )
            yield
            seen.append(str(len(await app_state_of(app).ports.store.list_sessions())))
        seen.append("end")

    async with served(with_own_route(own)) as address, httpx.AsyncClient() as client:
        assert (await client.post(address)).json()["sessions"] == 2

    assert seen == ["begin", "2", "end"]


async def test_an_engine_of_the_applications_stays_open(
    migrated_sqlite_url: str,
) -> None:
    """
    An engine that was handed in can be used after the server has stopped.
    """
    engine = create_engine(migrated_sqlite_url)
    app = with_own_route(engine_lifespan(engine))

    async with served(app) as address, httpx.AsyncClient() as client:
        await client.post(address)

    assert len(await SQLSessionStore(engine).list_sessions()) == 1
    await engine.dispose()


async def test_a_database_that_is_not_migrated_keeps_the_server_from_starting(
    tmp_path: Path,
) -> None:
    """
    Without migrate an empty database is found out before the first request.
    """
    app = FastAPI(lifespan=lifespan(f"sqlite+aiosqlite:///{tmp_path / 'a.sqlite3'}"))

    with pytest.raises(errors.MigrationRequiredError):
        async with app.router.lifespan_context(app):
            pass


async def test_an_application_without_the_lifespan_says_so() -> None:
    """
    Where nobody has opened the ports the error tells what to do.
    """
    app = FastAPI()

    @app.get("/")
    async def use(store: StoreDep) -> None:
        raise AssertionError(store)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
        with pytest.raises(RuntimeError, match="lifespan"):
            await client.get("/")
