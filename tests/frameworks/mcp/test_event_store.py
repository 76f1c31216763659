from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mcp.server.streamable_http import EventMessage
from mcp_types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from asm_async import InMemoryPorts, Ports, errors, open_ports
from asm_async.integrations.mcp import AGENT_ID, MESSAGE_TYPE, AsmEventStore
from asm_async.portal import Portal
from asm_async.testing import concurrency
from asm_async.transcripts import read_transcript

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("storing_process.py")


def note(number: int, **more: Any) -> JSONRPCMessage:
    """
    Return a notification.
    """
    params = {"level": "info", "data": number, **more}
    return JSONRPCNotification(
        jsonrpc="2.0", method="notifications/message", params=params
    )


def beginning() -> JSONRPCMessage:
    """
    Return an answer to ``initialize``.
    """
    info = {"name": "server", "version": "1"}
    result = {"protocolVersion": "2025-11-25", "serverInfo": info, "capabilities": {}}
    return JSONRPCResponse(jsonrpc="2.0", id=0, result=result)


async def replay(store: AsmEventStore, last: str) -> tuple[str | None, list[Any]]:
    """
    Return the stream that is replayed, and what of it.
    """
    found: list[EventMessage] = []

    async def send(message: EventMessage) -> None:
        found.append(message)

    return await store.replay_events_after(last, send), found


def numbers_of(found: list[EventMessage]) -> list[int]:
    """
    Return what the notifications say.
    """
    said: list[Any] = [each.message for each in found]
    return [message.params["data"] for message in said]


async def test_a_replay_is_what_came_later_in_the_stream(ports: Ports) -> None:
    """
    A stream's later messages come in order, under their ids; no beginnings, no others.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("1", None)
    first = await store.store_event("1", note(1))
    await store.store_event("2", note(2))
    await store.store_event("1", None)
    second = await store.store_event("1", note(3))
    await store.store_event("_GET_stream", note(4))

    stream, found = await replay(store, begun)
    assert (stream, numbers_of(found)) == ("1", [1, 3])
    assert [each.event_id for each in found] == [first, second]
    assert await replay(store, second) == ("1", [])


async def test_messages_come_back_equal(ports: Ports) -> None:
    """
    Requests, answers, errors and notifications are what they were, to the last member.
    """
    store = AsmEventStore(ports)
    messages: list[JSONRPCMessage] = [
        JSONRPCRequest(jsonrpc="2.0", id="a", method="ping"),
        JSONRPCRequest(jsonrpc="2.0", id=1, method="x", params={"n": None, "f": 1.5}),
        JSONRPCResponse(jsonrpc="2.0", id=2, result={"_meta": {"k": ["\x00", 10**30]}}),
        JSONRPCError.model_validate(
            {"jsonrpc": "2.0", "id": 3, "error": {"code": -1, "message": "no"}}
        ),
        note(5, odd="\U0001f600 \u2028"),
    ]
    begun = await store.store_event("s", None)
    for message in messages:
        await store.store_event("s", message)

    _, found = await replay(store, begun)

    assert [each.message for each in found] == messages
    dumped = [each.message.model_dump_json(exclude_unset=True) for each in found]
    assert dumped == [each.model_dump_json(exclude_unset=True) for each in messages]


async def test_a_long_stream_is_replayed_whole(ports: Ports) -> None:
    """
    However many messages there are, each comes once, in order.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("s", None)
    for number in range(250):
        await store.store_event("s" if number % 5 else "other", note(number))

    _, found = await replay(store, begun)

    assert numbers_of(found) == [number for number in range(250) if number % 5]


async def test_ids_of_other_scopes_replay_nothing(ports: Ports) -> None:
    """
    An id of another scope, an unknown one and a mangled one are all refused alike.
    """
    stores = [AsmEventStore(ports), AsmEventStore(ports, scope="b")]
    ids = []
    for store in stores:
        ids.append(await store.store_event("1", None))
        await store.store_event("1", note(1))
    token, _, rest = ids[0].partition("-")
    wrong = [ids[1], "", "1", token, f"{token}-", f"{token}-{'0' * 32}", rest, "\x00"]
    wrong += [ids[1].replace(ids[1].partition("-")[0], token), ids[0] + "0"]

    for event_id in wrong:
        assert await replay(stores[0], event_id) == (None, [])


async def test_ids_cannot_be_guessed(ports: Ports) -> None:
    """
    An id has the token of its scope and 128 random bits, and none is given twice.
    """
    store, other = AsmEventStore(ports), AsmEventStore(ports)

    ids = [await store.store_event("1", None) for _ in range(20)]

    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == 20
    assert len({each.partition("-")[0] for each in ids}) == 1
    assert not (await other.store_event("1", None)).startswith(ids[0][:16])


async def test_any_texts_are_streams_and_scopes(ports: Ports) -> None:
    """
    Empty, long and odd names of streams and scopes are kept apart.
    """
    names = ["", "a", "a/b", "a%2Fb", "\x00", "\ud800", "s" * 300, "s" * 301]
    scopes = ["a", "a/b", "\x00", "c" * 300]
    stores = [AsmEventStore(ports, scope=scope) for scope in scopes]
    begun = {
        (place, name): await store.store_event(name, None)
        for place, store in enumerate(stores)
        for name in names
    }
    for number, (place, name) in enumerate(begun):
        await stores[place].store_event(name, note(number))

    for number, ((place, name), event_id) in enumerate(begun.items()):
        stream, found = await replay(stores[place], event_id)
        assert (stream, numbers_of(found)) == (name, [number])


async def test_a_second_session_in_a_scope_is_refused(
    ports: Ports, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A scope in which two MCP sessions begin replays nothing any more, and says why.
    """
    first, second = AsmEventStore(ports, scope="s"), AsmEventStore(ports, scope="s")
    begun = await first.store_event("1", None)
    await first.store_event("1", beginning())
    assert len((await replay(first, begun))[1]) == 1

    foreign = await second.store_event("1", None)
    for _ in range(2):
        with pytest.raises(errors.UnsupportedOperationError, match="for each session"):
            await second.store_event("1", beginning())

    await first.store_event("1", note(1))
    for store in (first, second):
        for event_id in (begun, foreign):
            assert await replay(store, event_id) == (None, [])
    assert "several MCP sessions" in caplog.text
    events = await ports.store.get_events(first.session_id, type=MESSAGE_TYPE)
    assert len(events) == 2


async def test_of_two_sessions_that_begin_at_once_one_is_refused(ports: Ports) -> None:
    """
    Whichever begins first in a scope, the other is refused.
    """
    stores = [AsmEventStore(ports, scope="s") for _ in range(2)]

    outcomes = await concurrency.race(s.store_event("1", beginning()) for s in stores)

    refused = [o for o in outcomes if isinstance(o, errors.UnsupportedOperationError)]
    assert len(refused) == 1


async def test_no_message_falls_between_a_replay_and_the_live_stream(
    ports: Ports,
) -> None:
    """
    What is told while a stream goes over is stored once the transport listens again.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("1", None)
    await store.store_event("1", note(0))
    seen: list[EventMessage] = []
    told: list[int] = []

    async def tell(number: int) -> None:
        await store.store_event("1", note(number))
        told.append(number)

    async def send(message: EventMessage) -> None:
        seen.append(message)
        # While the replay goes on, messages are stored at once, and are replayed.
        if len(seen) == 1:
            await tell(1)

    await store.replay_events_after(begun, send)
    task = asyncio.create_task(tell(2))
    await store.store_event("1", None)
    await asyncio.sleep(0.01)

    assert numbers_of(seen) == [0, 1]
    assert told == [1]
    await asyncio.wait_for(task, 5)
    assert told == [1, 2]


async def test_a_client_that_does_not_read_holds_nobody_up_for_long(
    ports: Ports,
) -> None:
    """
    Messages of a session go on though one that is replayed is not taken, or gives up.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("1", None)
    await store.store_event("1", note(0))
    calls = 0
    stuck = asyncio.Event()

    async def send(_: EventMessage) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await store.store_event("1", note(1))
            return
        stuck.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(store.replay_events_after(begun, send))
    await stuck.wait()
    await asyncio.wait_for(store.store_event("1", note(2)), 10)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.wait_for(store.store_event("1", note(3)), 10)

    assert numbers_of((await replay(store, begun))[1]) == [0, 1, 2, 3]


async def test_an_error_of_the_transport_ends_the_replay(ports: Ports) -> None:
    """
    What the callback raises goes through, and messages go on at once.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("1", None)
    await store.store_event("1", note(0))

    async def send(_: EventMessage) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.replay_events_after(begun, send)
    await asyncio.wait_for(store.store_event("1", note(1)), 10)


async def test_writers_side_by_side_keep_their_order(ports: Ports) -> None:
    """
    Two stores of a scope, as in two processes, lose nothing and mix no order.
    """
    stores = [AsmEventStore(ports, scope="s") for _ in range(2)]
    begun = await stores[0].store_event("1", None)

    async def write(writer: int) -> None:
        for number in range(20):
            await stores[writer].store_event("1", note(number, writer=writer))

    await concurrency.run_together(write(writer) for writer in range(2))

    _, found = await replay(stores[1], begun)
    for writer in range(2):
        own = [e for e in found if e.message.params["writer"] == writer]
        assert numbers_of(own) == list(range(20))


async def test_a_cancelled_store_leaves_whole_events(ports: Ports) -> None:
    """
    A message whose storing was cancelled is there whole or not at all; others follow.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("1", None)

    for turns in range(0, 40, 2):
        await concurrency.cancel_after(turns, store.store_event("1", note(turns)))
    await store.store_event("1", note(100))

    numbers = numbers_of((await replay(store, begun))[1])
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 100


def test_several_loops_share_a_scope_through_a_portal(portal: Portal) -> None:
    """
    Stores in threads with loops of their own serve one scope; callbacks stay at home.
    """

    async def write(writer: int) -> list[str]:
        store = AsmEventStore(portal.ports, scope="s")
        return [await store.store_event("1", note(writer * 10 + n)) for n in range(10)]

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda writer: asyncio.run(write(writer)), range(4)))

    async def read() -> tuple[list[int], set[int]]:
        store, found, threads = AsmEventStore(portal.ports, scope="s"), [], set()

        async def send(message: EventMessage) -> None:
            found.append(message)
            threads.add(threading.get_ident())

        begun = ids[0][0]
        await store.replay_events_after(begun, send)
        return numbers_of(found), threads

    numbers, threads = asyncio.run(read())
    assert {0, 1, 2, 3, 4, 5, 6, 7, 8, 9} - set(numbers) == {0}
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize(
    "framework_url",
    ["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)],
    indirect=True,
)
async def test_killed_processes_leave_what_they_were_told_is_stored(
    framework_url: str,
) -> None:
    """
    What was stored before its process was killed is replayed by another, in order.
    """
    chance = random.Random(5)
    async with open_ports(framework_url) as ports:
        store = AsmEventStore(ports, scope="s")
        begun = await store.store_event("1", None)
        acknowledged: list[str] = []
        for turn in range(3):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, PROGRAM, framework_url, "s", f"w{turn}", "100000"),
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            lines = [await process.stdout.readline() for _ in range(3)]
            await asyncio.sleep(chance.uniform(0.0, 0.05))
            process.kill()
            lines += (await process.stdout.read()).splitlines()
            await process.wait()
            acknowledged += [line.decode().strip() for line in lines]

        _, found = await replay(store, begun)

    ids = [each.event_id for each in found]
    assert [each for each in ids if each in set(acknowledged)] == acknowledged
    assert len(acknowledged) <= len(ids) <= len(acknowledged) + 3


async def test_lists_find_the_session_and_transcripts_say_nothing(ports: Ports) -> None:
    """
    An MCP session is found by agent, tenant and user; what it says is no conversation.
    """
    store = AsmEventStore(ports, tenant_id="acme", user_id="ada")
    await store.store_event("1", None)
    await store.store_event("1", note(1))

    page = await ports.query.search_sessions(agent_id=AGENT_ID, tenant_id="acme")
    (session,) = page
    assert (session.id, session.user_id) == (store.session_id, "ada")
    (event,) = await ports.query.search_events(types=MESSAGE_TYPE, user_id="ada")
    assert event.data["original"]["method"] == "notifications/message"
    assert (await read_transcript(ports.store, session.id)).messages == ()


async def test_what_was_retracted_is_not_replayed(ports: Ports) -> None:
    """
    Messages that the application retracts are sent to nobody any more.
    """
    store = AsmEventStore(ports)
    begun = await store.store_event("1", None)
    for number in range(3):
        await store.store_event("1", note(number))

    await ports.store.retract_events(store.session_id, first=3, last=3)

    assert numbers_of((await replay(store, begun))[1]) == [0, 2]


async def test_a_deleted_session_begins_anew(ports: Ports) -> None:
    """
    What retention has removed is not replayed; what is stored later, is.
    """
    store = AsmEventStore(ports)
    old = await store.store_event("1", None)
    await ports.store.delete_session(store.session_id)

    new = await store.store_event("1", None)
    await store.store_event("1", note(1))

    assert await replay(store, old) == (None, [])
    assert numbers_of((await replay(store, new))[1]) == [1]


async def test_bad_input_is_named_and_stores_nothing(ports: Ports) -> None:
    """
    Wrong streams, messages, ids and options are refused before anything is written.
    """
    store = AsmEventStore(ports)
    wrong: Any = 1
    nothing: Any = {"jsonrpc": "2.0"}

    for call, named in (
        (store.store_event(wrong, None), "stream_id"),
        (store.store_event("1", nothing), "message"),
        (replay(store, wrong), "last_event_id"),
    ):
        with pytest.raises(errors.ValidationError, match=named):
            await call
    for options, named in (
        ({"scope": ""}, "scope"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"user_id": 3}, "user_id"),
    ):
        made: Any = AsmEventStore
        with pytest.raises(errors.ValidationError, match=named):
            made(ports, **options)
    with pytest.raises(errors.ValidationError, match="ports"):
        AsmEventStore(wrong)
    assert await ports.store.list_sessions(include_deleted=True) == []


def test_a_store_from_a_url_outlives_its_first_loop(tmp_path: Path) -> None:
    """
    One made from a URL serves one event loop after the other, and then is closed.
    """
    url = f"sqlite+aiosqlite:///{tmp_path}/mcp.sqlite3"
    store = AsmEventStore.from_url(url)

    begun = asyncio.run(store.store_event("1", None))
    asyncio.run(store.store_event("1", note(1)))
    assert numbers_of(asyncio.run(replay(store, begun))[1]) == [1]
    asyncio.run(store.aclose())


async def test_ports_that_were_handed_in_stay_open() -> None:
    """
    Closing a store closes nothing that the caller has opened.
    """
    async with InMemoryPorts() as ports:
        store = AsmEventStore(ports)
        await store.store_event("1", None)

        await store.aclose()

        assert len(await ports.store.list_sessions()) == 1
