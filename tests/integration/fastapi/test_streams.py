"""
Server-sent events over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from http import HTTPStatus

import attrs
import httpx
import pytest

from asm_async import Event, SessionStatus
from asm_async.integrations.fastapi import Limits, end_streams
from asm_async.testing.factories import make_event, make_session
from tests.integration.fastapi.event_source import EventSource, open_stream
from tests.integration.fastapi.serving import EVERYBODY, Service, open_service

CUTS = 100
EVENTS = 400


async def append(service: Service, session_id: str, first: int, count: int) -> None:
    """
    Append events one by one, as an agent would.
    """
    for number in range(first, first + count):
        await service.ports.store.append_event(
            make_event(id=f"evt_{number}", session_id=session_id)
        )


async def until(is_so: Callable[[], bool]) -> None:
    """
    Give way to the server until something is so.
    """
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what a server holds tells nobody
            await asyncio.sleep(0.005)


async def test_a_stream_cut_and_resumed_100_times_shows_each_event_once(
    service: Service,
) -> None:
    """
    However often a connection is cut, each event of a session comes once, in order.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events/stream"
    writing = asyncio.create_task(append(service, session_id, 1, EVENTS))
    seen: list[Event] = []
    last_event_id = ""
    for cut in range(CUTS + 1):
        count = EVENTS - len(seen) if cut == CUTS else cut % 7
        async with open_stream(service.client, url, last_event_id) as source:
            messages = await source.take(count)
        seen += [Event.from_dict(message.data) for message in messages]
        last_event_id = messages[-1].id if messages else last_event_id
    await writing

    assert [event.sequence_number for event in seen] == list(range(1, EVENTS + 1))
    assert seen == await service.ports.store.get_events(session_id)
    await until(lambda: not service.open_streams)
    await service.assert_nothing_is_held()


async def test_the_stream_of_all_sessions_is_resumed_by_checkpoint(
    service: Service,
) -> None:
    """
    However often it is cut, each event of all sessions comes once, in its order.
    """
    ids = [await service.new_session() for _ in range(3)]
    writing = [asyncio.create_task(append(service, id_, 1, 20)) for id_ in ids]
    seen: list[Event] = []
    last_event_id = ""
    while len(seen) < 60:
        async with open_stream(
            service.client, "/events/stream", last_event_id
        ) as source:
            messages = await source.take(min(4, 60 - len(seen)))
        seen += [Event.from_dict(message.data) for message in messages]
        last_event_id = messages[-1].id
    await asyncio.gather(*writing)

    for id_ in ids:
        numbers = [each.sequence_number for each in seen if each.session_id == id_]
        assert numbers == list(range(1, 21))


async def test_a_stream_from_the_latest_place_can_be_resumed_before_any_event(
    memory_service: Service,
) -> None:
    """
    Who asks for what comes, and is cut before anything has come, misses nothing.
    """
    session_id = await memory_service.new_session()
    await append(memory_service, session_id, 1, 3)
    url = "/events/stream"

    async with open_stream(
        memory_service.client, url, params={"latest": "true"}
    ) as source:
        while not (line := await anext(source.lines)).startswith("id: "):
            pass
    place = line.removeprefix("id: ")
    await append(memory_service, session_id, 4, 1)
    async with open_stream(memory_service.client, url, place) as source:
        (message,) = await source.take(1)

    assert message.data["sequence_number"] == 4


async def test_only_what_was_asked_for_is_streamed(memory_service: Service) -> None:
    """
    A stream begins behind a number and gives only the types that were asked for.
    """
    session_id = await memory_service.new_session()
    await append(memory_service, session_id, 1, 2)
    store = memory_service.ports.store
    own = make_event(id="evt_own", session_id=session_id, type="app.noted")
    await store.append_event(own)
    url = f"/sessions/{session_id}/events/stream"

    async with open_stream(memory_service.client, f"{url}?after=1") as source:
        first, second = await source.take(2)
    async with open_stream(memory_service.client, f"{url}?types=app.noted") as source:
        (only,) = await source.take(1)

    ids = [first.id, second.id, only.id]
    assert ids == ["2:evt_2", "3:evt_own", "3:evt_own"]


async def test_a_stream_ends_when_the_session_is_over(service: Service) -> None:
    """
    With until_over a stream gives all that is stored and then an event of its own.
    """
    session = await service.ports.store.save_session(make_session())
    await append(service, session.id, 1, 2)
    url = f"/sessions/{session.id}/events/stream?until_over=true"

    async with open_stream(service.client, url) as source:
        await source.take(2)
        over = attrs.evolve(session, status=SessionStatus.COMPLETED)
        await service.ports.store.save_session(over)
        messages = await source.take(9)

    assert [message.event for message in messages] == ["end"]


async def test_vanished_clients_leave_nothing_behind(service: Service) -> None:
    """
    Clients that vanish in the middle of a stream free what was held for them at once.
    """
    session_id = await service.new_session()
    await append(service, session_id, 1, 20)
    tasks = len(asyncio.all_tasks())
    sources: list[EventSource] = []
    async with AsyncExitStack() as clients:
        for number in range(20):
            url = "/events/stream"
            if number % 2:
                url = f"/sessions/{session_id}{url}"
            client = await clients.enter_async_context(
                httpx.AsyncClient(base_url=service.url, headers=EVERYBODY)
            )
            source = await clients.enter_async_context(open_stream(client, url))
            sources.append(source)
            await source.take(number)
        assert service.open_streams == 20
    await append(service, session_id, 21, 5)

    await until(lambda: not service.open_streams)
    await service.assert_nothing_is_held()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_client_that_does_not_read_is_waited_for_with_one_event(
    migrated_sqlite_url: str,
) -> None:
    """
    A client that reads nothing holds no connection, and hinders nobody's appends.
    """
    async with open_service(migrated_sqlite_url) as service:
        session_id = await service.new_session()
        content = {"content": "x" * 100_000}
        url = f"{service.url}/sessions/{session_id}/events/stream"
        host, port = httpx.URL(url).host, httpx.URL(url).port
        _, writer = await asyncio.open_connection(host, port, limit=1_024)
        path = httpx.URL(url).path
        writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nX-Tenant: *\r\n\r\n".encode())
        await until(lambda: service.open_streams == 1)
        for number in range(200):
            event = make_event(id=f"evt_{number}", session_id=session_id, data=content)
            await service.ports.store.append_event(event)

        assert service.open_streams == 1
        await until(lambda: not service.connections)
        writer.transport.abort()
        await until(lambda: not service.open_streams)


async def test_there_are_as_many_streams_as_allowed() -> None:
    """
    One stream too many is answered with 503, and each that ends makes room.
    """
    async with open_service(None, Limits(max_streams=2)) as service:
        url = "/events/stream"
        async with (
            open_stream(service.client, url),
            open_stream(service.client, url),
        ):
            refused = await service.client.get(url)
        await until(lambda: not service.open_streams)
        async with open_stream(service.client, url) as source:
            assert source.answer.status_code == HTTPStatus.OK

    assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert refused.json()["code"] == "too_many_streams"
    assert int(refused.headers["retry-after"]) > 0


async def test_silence_is_broken_by_heartbeats() -> None:
    """
    A stream without events sends a comment now and then.
    """
    async with (
        open_service(None, Limits(heartbeat_seconds=0.05)) as service,
        open_stream(service.client, "/events/stream") as source,
    ):
        greeting = [await anext(source.lines) for _ in range(2)]
        beats = [await anext(source.lines) for _ in range(6)]

    assert greeting == ["retry: 2000", ""]
    assert beats == [":", ""] * 3


async def test_a_stream_lasts_as_long_as_it_may() -> None:
    """
    A stream ends by itself after its time, so that it is authorized anew.
    """
    async with (
        asyncio.timeout(10),
        open_service(None, Limits(max_stream_seconds=0.1)) as service,
        open_stream(service.client, "/events/stream") as source,
    ):
        assert await source.take(1) == []


async def test_an_ending_server_ends_its_streams(memory_service: Service) -> None:
    """
    Streams end whole when the server is about to stop, and new ones end at once.
    """
    session_id = await memory_service.new_session()
    await append(memory_service, session_id, 1, 1)
    url = f"/sessions/{session_id}/events/stream"

    async with open_stream(memory_service.client, url) as source:
        await source.take(1)
        end_streams(memory_service.app)
        rest = await source.take(1)
        again = await memory_service.client.get(url)

    assert rest == []
    assert (again.status_code, again.text.partition("\n")[0]) == (200, "retry: 2000")


async def test_a_failing_feed_is_told_of_in_the_stream(
    memory_service: Service,
) -> None:
    """
    An error amid a stream is its last event, without a trace, and the stream ends.
    """
    async with open_stream(memory_service.client, "/events/stream") as source:
        await anext(source.lines)
        await memory_service.ports.feed.aclose()
        messages = await source.take(9)

    assert [message.event for message in messages] == ["error"]
    assert messages[0].data["code"] == "store_closed"


@pytest.mark.parametrize(
    "last_event_id",
    ["x", "-1", "1.5", "9" * 17, "\u0661", ":", "x:evt_1", "0:evt_1", "1:", "1:%00"],
)
async def test_a_wrong_last_event_id_is_refused(
    memory_service: Service, last_event_id: str
) -> None:
    """
    What no stream has sent as an id is answered with 422.
    """
    session_id = await memory_service.new_session()
    headers = {b"Last-Event-ID": last_event_id.encode()}
    for url in (f"/sessions/{session_id}/events/stream", "/events/stream"):
        answer = await memory_service.client.get(url, headers=headers)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
