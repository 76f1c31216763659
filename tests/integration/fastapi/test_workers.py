"""
Several workers on one database, and how they stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from asm_async import Event, RunStatus, open_store
from asm_async.testing.factories import make_event
from tests.integration.fastapi.event_source import EventSource, open_stream
from tests.integration.fastapi.serving import EVERYBODY, event_body
from tests.integration.fastapi.workers import Worker, open_worker

WRITERS = 4
EVENTS_EACH = 10


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database of each kind that several processes can use.
    """
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def two_workers(empty_url: str) -> AsyncGenerator[list[Worker]]:
    """
    Start two workers at once on a database that neither of them has migrated.
    """
    async with open_worker(empty_url) as one, open_worker(empty_url) as other:
        yield [one, other]


def client_of(worker: Worker) -> httpx.AsyncClient:
    """
    Make a client of a worker; its first request waits until the worker is up.
    """
    return httpx.AsyncClient(base_url=worker.url, headers=EVERYBODY, timeout=30)


async def post_events(client: httpx.AsyncClient, url: str, writer: int) -> None:
    """
    Post events one by one, each twice, as after an answer that was lost.
    """
    for number in range(EVENTS_EACH):
        event = event_body(make_event(id=f"evt_{writer}_{number}"))
        first = await client.post(url, json=event)
        again = await client.post(url, json=event)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()


async def test_what_one_worker_writes_another_streams(
    two_workers: list[Worker],
) -> None:
    """
    Streams of both workers show what agents post to either: each once, in order.
    """
    one, other = (client_of(worker) for worker in two_workers)
    async with one, other:
        begun = await one.post("/sessions", json={"agent_id": "assistant"})
        url = f"/sessions/{begun.json()['id']}/events"
        async with (
            open_stream(one, f"{url}/stream") as here,
            open_stream(other, f"{url}/stream") as there,
            asyncio.TaskGroup() as writing,
        ):
            for writer in range(WRITERS):
                client = one if writer % 2 else other
                writing.create_task(post_events(client, url, writer))
            count = WRITERS * EVENTS_EACH
            seen_here = await here.take(count)
            seen_there = await there.take(count)

    events = [Event.from_dict(message.data) for message in seen_here]
    assert [event.sequence_number for event in events] == list(range(1, count + 1))
    assert seen_there == seen_here


async def test_a_worker_stops_under_open_streams(two_workers: list[Worker]) -> None:
    """
    SIGTERM ends open streams whole; the worker stops at once and leaves no complaint.
    """
    worker, other = two_workers
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(client_of(worker))
        begun = await client.post("/sessions", json={"agent_id": "assistant"})
        session_id = begun.json()["id"]
        sources: list[EventSource] = []
        for url in ("/events/stream", f"/sessions/{session_id}/events/stream") * 5:
            streaming = open_stream(client, url)
            sources.append(await stack.enter_async_context(streaming))
            await anext(sources[-1].lines)
        code, said = await worker.stop()
        ends = [await source.take(1) for source in sources]
        elsewhere = await stack.enter_async_context(client_of(other))
        got = await elsewhere.get(f"/sessions/{session_id}")

    assert (code, ends) == (-15, [[]] * 10), said
    assert "Application shutdown complete" in said
    assert "ERROR" not in said
    assert "Traceback" not in said
    assert got.json() == begun.json()


async def test_a_request_that_is_cancelled_when_the_worker_stops_saves_its_end(
    empty_url: str,
) -> None:
    """
    The ports are closed only after a handler that the server gave up has ended.
    """
    bound = ("--timeout-graceful-shutdown", "1")
    async with open_worker(empty_url, *bound) as worker, client_of(worker) as client:
        begun = await client.post("/sessions", json={"agent_id": "assistant"})
        url = f"/sessions/{begun.json()['id']}/answer"
        async with client.stream("POST", url) as answer:
            # Held until the end: without it the client would disconnect.
            words = answer.aiter_text()
            run_id = await anext(words)
            _, said = await worker.stop()

    async with open_store(empty_url) as store:
        run = await store.get_run(run_id)
    assert run.status is RunStatus.CANCELLED, said
    assert "StoreClosedError" not in said
