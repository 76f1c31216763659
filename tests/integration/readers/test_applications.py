"""
Standbys that are read from for as long as an application runs.
"""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi import engine_lifespan, lifespan
from asm_async.integrations.fastapi.ports import app_state_of
from asm_async.sql import Readers, SQLPorts, create_engine
from asm_async.testing.factories import make_session
from tests.integration.fastapi.serving import EVERYBODY, application, served
from tests.integration.readers.servers import (
    LONG_SECONDS,
    Servers,
    held_back,
    readers_of,
    state_of,
    until,
    until_read,
)

pytestmark = pytest.mark.postgres


def ports_of(app: FastAPI) -> SQLPorts:
    """
    Return the ports of an application that runs.
    """
    ports = app_state_of(app).ports
    assert isinstance(ports, SQLPorts)
    return ports


async def session_ids(client: httpx.AsyncClient, address: str) -> list[str]:
    """
    Return the ids of the sessions that a route lists.
    """
    answer = await client.get(f"{address}/sessions", headers=EVERYBODY)
    return [session["id"] for session in answer.raise_for_status().json()["items"]]


async def test_routes_of_an_application_read_from_its_standbys(
    servers: Servers,
) -> None:
    """
    Until one lags by more than the application has said, and until it ends.
    """
    readers = [servers.standby_url]
    app = application(lifespan(servers.url, readers=readers, max_lag=0.5))
    async with served(app) as address, httpx.AsyncClient() as client:
        ports = ports_of(app)
        await until_read(ports)
        await ports.store.save_session(make_session())
        await servers.standby.catch_up()
        before = state_of(ports).reads
        assert await session_ids(client, address) == ["ses_1"]
        assert state_of(ports).reads == before + 1
        async with held_back(servers):
            await ports.store.save_session(make_session(id="ses_2"))
            state = await until(ports, lambda state: state.reason is not None)
            assert "lags by more than 0.5 s" in str(state.reason)
            assert sorted(await session_ids(client, address)) == ["ses_1", "ses_2"]
    assert state_of(ports).reason == "its connections were closed"


async def test_an_application_with_wrong_readers_does_not_start(
    servers: Servers,
) -> None:
    """
    The error is that of opening ports.
    """
    wrong = lifespan(servers.url, readers=[servers.standby_url], max_lag=0)
    with pytest.raises(ValidationError, match="max_lag"):
        async with wrong(FastAPI()):
            pass


async def test_readers_of_the_applications_own_stay_its_own(servers: Servers) -> None:
    """
    They answer its routes, and go on when these do not.
    """
    engine = create_engine(servers.url)
    async with Readers(
        engine, [servers.standby_url], max_lag=10 * LONG_SECONDS
    ) as readers:
        app = application(engine_lifespan(engine, readers=readers))
        async with served(app) as address, httpx.AsyncClient() as client:
            ports = ports_of(app)
            assert readers_of(ports) is readers
            await until_read(ports)
            before = state_of(ports).reads
            assert await session_ids(client, address) == []
            assert state_of(ports).reads == before + 1
        assert readers.states[0].reason is None
    await engine.dispose()
