from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCNotification

from asm_async import Ports, Session, errors
from asm_async.integrations.mcp import (
    AGENT_ID,
    AsmEventStore,
    hard_delete_idle_stores,
    scope_event_stores,
    streamable_http_app,
)
from tests.frameworks.mcp.servers import Client, Said, serving, speaking_server


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    """
    Yield what clients send their requests with.
    """
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


def is_answer(said: Said) -> bool:
    """
    Return whether an event is an answer.
    """
    return said.message is not None and "result" in said.message


def words_of(found: list[Said]) -> list[str]:
    """
    Return what the tool has said.
    """
    results = [said.message["result"] for said in found if said.message is not None]
    return [result["content"][0]["text"] for result in results]


async def first_event(response: httpx.Response) -> str:
    """
    Read a stream's first event and return its id.
    """
    async for line in response.aiter_lines():
        if line.startswith("id:"):
            return line.removeprefix("id:").strip()
    pytest.fail("the stream has no event")


async def test_a_client_that_comes_back_is_told_its_answer(
    ports: Ports, http: httpx.AsyncClient
) -> None:
    """
    An answer that comes while its client is away is replayed from the database.
    """
    may_answer = asyncio.Event()
    app = streamable_http_app(speaking_server(may_answer), lambda: AsmEventStore(ports))
    async with serving(app) as url:
        client = await Client.begin(http, url)
        async with client.say(7, "hello") as response:
            seen = await first_event(response)
        may_answer.set()

        found = await client.replay(seen, until=is_answer)

    assert words_of([said for said in found if is_answer(said)]) == ["said hello"]


async def test_no_client_is_told_what_another_ones_session_said(
    ports: Ports, http: httpx.AsyncClient
) -> None:
    """
    Sessions that use the same request ids are replayed their own answers alone.
    """
    made: list[AsmEventStore] = []

    def make_store() -> AsmEventStore:
        made.append(AsmEventStore(ports))
        return made[-1]

    may_answer = asyncio.Event()
    app = streamable_http_app(speaking_server(may_answer), make_store)
    async with serving(app) as url:
        clients = [await Client.begin(http, url) for _ in range(3)]
        seen: list[str] = []
        for number, client in enumerate(clients):
            async with client.say(7, f"secret {number}") as response:
                seen.append(await first_event(response))
        may_answer.set()
        # The first is told its own; by then the others' answers are stored, too.
        own = [
            await client.replay(event_id, until=is_answer)
            for client, event_id in zip(clients, seen, strict=True)
        ]
        others = [
            await client.replay(event_id, until=is_answer)
            for client in clients
            for event_id in seen
            if event_id != seen[clients.index(client)]
        ]

    told = [words_of([said for said in found if is_answer(said)]) for found in own]
    assert told == [[f"said secret {number}"] for number in range(3)]
    assert others == [[]] * 6
    assert len({store.session_id for store in made}) == len(made)
    sessions = await ports.store.list_sessions(agent_id=AGENT_ID)
    assert len(sessions) == 3


async def test_a_store_for_several_sessions_is_refused(
    ports: Ports, http: httpx.AsyncClient
) -> None:
    """
    Where a host shares one store, the second session is not begun, and nothing leaks.
    """
    shared = AsmEventStore(ports)
    server = speaking_server()
    app = server.streamable_http_app(event_store=shared)
    async with serving(app) as url:
        first = await Client.begin(http, url)
        async with first.say(7, "secret") as response:
            seen = await first_event(response)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await Client.begin(http, url)

        assert await first.replay(seen, until=is_answer) == []


async def test_an_event_store_beside_the_maker_is_refused(ports: Ports) -> None:
    """
    A store for all sessions is refused, by the application's maker and the manager's.
    """
    store: Any = AsmEventStore(ports)
    server = speaking_server()

    with pytest.raises(errors.ValidationError, match="event_store"):
        streamable_http_app(server, lambda: store, event_store=store)
    with pytest.raises(errors.ValidationError, match="make_store"):
        streamable_http_app(server, store)
    manager = StreamableHTTPSessionManager(Server("s"), event_store=store)
    with pytest.raises(errors.ValidationError, match="all sessions"):
        scope_event_stores(manager, lambda: store)
    not_one: Any = server
    with pytest.raises(errors.ValidationError, match="manager"):
        scope_event_stores(not_one, lambda: store)


async def test_a_manager_asks_once_for_each_session(
    ports: Ports, http: httpx.AsyncClient
) -> None:
    """
    A manager that the host has made, too, has as many stores as sessions, and no other.
    """
    made: list[EventStore] = []

    def make_store() -> EventStore:
        made.append(AsmEventStore(ports))
        return made[-1]

    server = Server[Any]("lowlevel")
    app = server.streamable_http_app()
    scope_event_stores(server.session_manager, make_store)
    async with serving(app) as url:
        for number in range(3):
            await Client.begin(http, url)
            assert len(made) == number + 1


async def test_only_idle_stores_are_removed(ports: Ports) -> None:
    """
    What was written to since, and sessions of other agents, stay.
    """
    other = await ports.store.save_session(Session.new(agent_id="chat"))
    message = JSONRPCNotification(jsonrpc="2.0", method="notifications/message")
    stores = [AsmEventStore(ports) for _ in range(3)]
    for store in stores:
        await store.store_event("1", message)

    assert await hard_delete_idle_stores(ports, idle_for=timedelta(hours=1)) == 0
    assert await hard_delete_idle_stores(ports, idle_for=timedelta(0)) == 3

    left = await ports.store.list_sessions(include_deleted=True)
    assert [session.id for session in left] == [other.id]
    event_id = await stores[0].store_event("1", message)
    assert await hard_delete_idle_stores(ports, idle_for=timedelta(hours=1)) == 0
    assert event_id
    wrong: Any = 3_600
    with pytest.raises(errors.ValidationError, match="idle_for"):
        await hard_delete_idle_stores(ports, idle_for=wrong)
    with pytest.raises(errors.ValidationError, match="idle_for"):
        await hard_delete_idle_stores(ports, idle_for=timedelta(seconds=-1))
