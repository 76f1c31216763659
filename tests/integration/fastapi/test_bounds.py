"""
What a request may send and be sent, and what it costs those who ask beside it.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from http import HTTPStatus
from time import perf_counter
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from asm_async.fronts.loop_share import LoopShare, in_pieces
from asm_async.integrations.fastapi import Limits
from asm_async.testing.factories import make_events, make_run, make_session
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.serving import (
    Service,
    event_body,
    open_service,
)

MAX_PAGE_BYTES = 20_000
ITEMS = 40


@pytest.fixture
async def bounded(served_url: str | None) -> AsyncGenerator[Service]:
    """
    Serve sessions, runs and events of 5,000 bytes each in pages of 20,000.
    """
    async with open_service(served_url, Limits(max_page_bytes=MAX_PAGE_BYTES)) as made:
        store, large = made.ports.store, {"text": "x" * 5_000}
        for number in range(ITEMS):
            await store.save_session(make_session(id=f"ses_{number}", context=large))
            run = make_run(id=f"run_{number}", session_id="ses_0", output=large)
            await store.save_run(run)
        events = make_events(ITEMS, session_id="ses_0", data=large)
        await store.append_events(events)
        yield made


async def pages_of(client: httpx.AsyncClient, url: str) -> list[httpx.Response]:
    """
    Go from page to page by their links.
    """
    pages = [await client.get(url, params={"limit": 200})]
    while "next" in pages[-1].links:
        pages.append(await client.get(url + pages[-1].links["next"]["url"]))
    return pages


@pytest.mark.parametrize(
    "url", ["/sessions", "/runs", "/events", "/sessions/ses_0/runs"]
)
async def test_a_page_of_a_search_ends_once_it_has_enough_bytes(
    bounded: Service, url: str
) -> None:
    """
    Its link leads on, so that everything is found once.
    """
    pages = await pages_of(bounded.client, url)

    found = [item["id"] for page in pages for item in page.json()["items"]]
    assert len(pages) > 1
    assert len(found) == len(set(found)) == ITEMS
    # A part may be read before it is known how large its items are.
    assert max(len(page.content) for page in pages) < 3 * MAX_PAGE_BYTES


async def test_a_page_of_a_sessions_events_ends_once_it_has_enough_bytes(
    bounded: Service,
) -> None:
    """
    Its link leads on, by numbers.
    """
    pages = await pages_of(bounded.client, "/sessions/ses_0/events")

    items = [item for page in pages for item in page.json()["items"]]
    numbers = [item["sequence_number"] for item in items]
    assert len(pages) > 1
    assert numbers == list(range(1, ITEMS + 1))
    assert max(len(page.content) for page in pages) < 3 * MAX_PAGE_BYTES


async def test_an_export_of_a_session_is_whole_however_long_it_is(
    bounded: Service,
) -> None:
    """
    It is sent in parts, and says what the port's export says.
    """
    answer = await bounded.client.get("/sessions/ses_0/export")

    exported = await bounded.ports.query.export_session("ses_0")
    assert answer.json() == exported.to_dict()
    assert answer.headers["content-type"] == "application/json"


async def test_what_is_read_is_sent_without_being_decoded(
    migrated_sqlite_url: str,
) -> None:
    """
    A mebibyte of arrays takes twenty in memory, and would be made anew for each reader.
    """
    array = f'{{"a":[{",".join(["[]"] * 350_000)}]}}'
    async with open_service(migrated_sqlite_url) as service:
        store, engine = service.ports.store, service.engine
        assert engine is not None
        await store.save_session(make_session())
        await store.append_events(make_events(12))
        async with engine.begin() as conn:
            await conn.execute(sa.text("UPDATE asm_events SET data = :a"), {"a": array})
        tracemalloc.start()
        for url in ("/sessions/ses_1/events", "/events", "/sessions/ses_1/export"):
            await service.client.get(url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 100 * 2**20


async def test_more_tags_or_events_than_a_request_may_have_are_refused() -> None:
    """
    Before anything is made of them; the answer names the bound.
    """
    limits = Limits(max_tags=2, max_events_per_request=3)
    async with open_service(None, limits) as service:
        begin: dict[str, Any] = {"agent_id": "a", "tags": ["a", "b", "c"]}
        tagged = await service.client.post("/sessions", json=begin)
        session_id = await service.new_session(tags=["a", "b"])
        events = {"events": [event_body(event) for event in make_events(4)]}
        url = f"/sessions/{session_id}/events/batch"
        batch = await service.client.post(url, json=events)
        commits: list[dict[str, Any]] = [{"session": begin}, {"create_session": begin}]
        url = f"/sessions/{session_id}/commit"
        committed = [await service.client.post(url, json=each) for each in commits]

    statuses = {answer.status_code for answer in (tagged, batch, *committed)}
    assert statuses == {HTTPStatus.UNPROCESSABLE_ENTITY}
    assert tagged.json()["detail"] == "tags: expected at most 2, got 3"
    assert batch.json()["detail"] == "events: expected at most 3, got 4"
    for answer in committed:
        assert answer.json()["detail"] == "tags: expected at most 2, got 3"


async def test_a_tenant_cannot_take_the_streams_of_others() -> None:
    """
    Further ones of its own are refused until one has ended.
    """
    async with AsyncExitStack() as stack:
        limits = Limits(max_streams_per_tenant=2)
        service = await stack.enter_async_context(open_service(None, limits))
        one = await stack.enter_async_context(service.client_of("a"))
        other = await stack.enter_async_context(service.client_of("b"))
        async with open_stream(one, "/events/stream") as first:
            await anext(first.lines)
            async with open_stream(one, "/events/stream") as second:
                await anext(second.lines)
                refused = await one.get("/events/stream")
                async with open_stream(other, "/events/stream") as others:
                    await anext(others.lines)
        async with asyncio.timeout(10):
            # What a server holds tells nobody when it is let go.
            while service.open_streams:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.005)
        async with open_stream(one, "/events/stream") as again:
            await anext(again.lines)

    assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.json()["code"] == "too_many_streams"
    assert refused.headers["Retry-After"]


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (Limits(max_exports=1), 503),
        (Limits(max_exports_per_tenant=1), 429),
    ],
)
async def test_exports_are_bounded_more_narrowly_than_streams(
    limits: Limits, status: int
) -> None:
    """
    One that its client does not read keeps its place.
    """
    async with open_service(None, limits) as service:
        store = service.ports.store
        await store.save_session(make_session(tenant_id="a"))
        large = {"text": "x" * 1_000_000}
        await store.append_events(make_events(20, data=large))
        async with service.client_of("a") as client:
            async with client.stream("GET", "/export"):
                refused = await client.get("/export")
            assert (await client.get("/events?limit=1")).status_code == 200

    assert refused.status_code == status
    assert refused.json()["code"] == "too_many_exports"


async def test_long_work_rests_for_as_long_as_it_lasted() -> None:
    """
    Whoever needs many turns of the loop gets them between two pieces.
    """
    clock = asyncio.get_running_loop().time

    def piece(_: int) -> float:
        begun = clock()
        while clock() - begun < 0.02:
            pass
        return clock()

    turns: list[float] = []

    async def take_turns() -> None:
        while True:
            turns.append(clock())
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    ends = await in_pieces(piece, range(3))
    other.cancel()

    for end in ends[:-1]:
        assert sum(end <= turn < end + 0.02 for turn in turns) >= 5
    assert LoopShare().ends_at > perf_counter()
