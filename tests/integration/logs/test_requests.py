"""
What is logged of requests that fail, which clients are not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from asm_async import InMemoryPorts
from asm_async.integrations.fastapi import engine_lifespan, ports_lifespan, router
from asm_async.sql import SQLPorts, create_engine
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.serving import (
    EVERYBODY,
    application,
    event_body,
    served,
)
from tests.integration.logs.planted import HUSH, Listener, plant, planted_event

PROBLEMS = "integrations.fastapi.problems"


@asynccontextmanager
async def service_that_refuses(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Serve a database with a planted session, which takes no more events.
    """
    engine = create_engine(url)
    ports = SQLPorts(engine)
    await plant(ports)
    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON asm_events"
        " BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    if url.startswith("postgresql"):
        refuse = (
            "ALTER TABLE asm_events ADD CONSTRAINT no_more CHECK (id = 'x') NOT VALID"
        )
    async with engine.begin() as conn:
        await conn.execute(sa.text(refuse))
    await ports.aclose()
    async with (
        served(application(engine_lifespan(engine))) as address,
        httpx.AsyncClient(base_url=address, headers=EVERYBODY) as client,
    ):
        yield client
    await engine.dispose()


async def test_requests_that_fail_are_an_error_without_the_row(
    log: Listener, url: str
) -> None:
    """
    Once for many, with a traceback that leads to the cause and does not show it.
    """
    async with service_that_refuses(url) as client:
        answers = [
            await client.post(
                "/sessions/ses_1/events", json=event_body(planted_event(number))
            )
            for number in range(1, 9)
        ]

    assert {answer.status_code for answer in answers} == {500}
    log.said_once("a request failed: ", "ERROR", PROBLEMS)
    (text,) = [text for text in log.texts if text.startswith("a request failed: ")][:1]
    assert "Traceback (most recent call last)" in text
    assert "session_store.py" in text
    assert HUSH not in "".join(answer.text for answer in answers)


async def test_a_stream_that_breaks_off_is_warned_of_once(
    log: Listener, migrated_sqlite_url: str
) -> None:
    """
    However many streams the same misfortune ends.
    """
    engine = create_engine(migrated_sqlite_url)
    ports = SQLPorts(engine)
    await plant(ports)
    await ports.aclose()
    async with (
        served(application(engine_lifespan(engine))) as address,
        httpx.AsyncClient(base_url=address, headers=EVERYBODY, timeout=20) as client,
        open_stream(client, "/sessions/ses_1/events/stream") as one,
        open_stream(client, "/sessions/ses_1/events/stream") as other,
    ):
        sources = (one, other)
        await asyncio.gather(*(source.take(1) for source in sources))
        async with engine.begin() as conn:
            await conn.execute(sa.text("UPDATE asm_events SET id = 'another'"))
        rest = await asyncio.gather(*(source.take(9) for source in sources))
    await engine.dispose()

    assert all(messages[-1].event == "error" for messages in rest)
    log.said_once(
        "a stream was broken off: ", "WARNING", "integrations.fastapi.streams"
    )


@pytest.mark.parametrize("returned", [None, ""])
async def test_an_authorize_that_names_nobody_is_an_error(
    log: Listener, returned: str | None
) -> None:
    """
    Which says what to return.
    """

    async def authorize() -> str:
        return returned  # type: ignore[return-value] # what is refused

    app = FastAPI(lifespan=ports_lifespan(InMemoryPorts()))
    app.include_router(router(authorize=authorize))
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        answers = [await client.get("/sessions") for _ in range(3)]

    assert {each.status_code for each in answers} == {HTTPStatus.INTERNAL_SERVER_ERROR}
    log.said_once("an unforeseen error", "ERROR", PROBLEMS)
    (text, *_) = [text for text in log.texts if text.startswith("an unforeseen")]
    assert "asm_async.integrations.fastapi.ALL_TENANTS" in text
