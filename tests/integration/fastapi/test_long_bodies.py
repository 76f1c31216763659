"""
Long bodies: what they cost those who ask beside them, and that they are stored whole.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from functools import partial
from http import HTTPStatus
from itertools import product
from time import thread_time
from typing import Any

import httpx
import pytest

from asm_async import open_ports
from asm_async.artifacts import large_data
from asm_async.encryption import InMemoryKeyStore, encrypted_ports
from asm_async.integrations.fastapi import ports_lifespan
from asm_async.memory import InMemoryArtifactStore
from asm_async.ports.together import Ports
from asm_async.redaction import SECRETS, redacting_ports
from asm_async.values.json_values import EncodedJSON
from asm_async.values.redaction import RedactionPolicy
from tests.encrypted_ports import key_ring
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.reused_applications import reused_application
from tests.integration.fastapi.serving import (
    Service,
    add_routes,
    new_client,
    open_service,
    served,
)

BODY_BYTES = (1 << 20) - 200

MAX_STEP_SECONDS = 0.1
"""
How long others may have to wait, of the processor's time.
"""

# What a parser makes of JSON that is written in odd ways, and long enough to be passed
# on as text.
ODD = "".join(
    (
        '{"twice": 1, "twice": {"b": 2, "a": [1e2, 1.0, 1, -0.0, true, null]},',
        ' "\\ud83d\\ude00": "\\ud83d", "\\u0000": "\\/é",',
        f' "digits": {"9" * 4_300}, "deep": {"[" * 199 + "]" * 199},',
        f' "filling": "{"x" * 70_000}"}}',
    )
)


def filled(unit: str, form: str = '{"a":[...]}') -> str:
    """
    Return a mebibyte of JSON, less what stands around it.
    """
    room = BODY_BYTES - len(form)
    return form.replace("...", ",".join([unit] * (room // (len(unit) + 1))))


HOSTILE = {
    "arrays": (filled("[]"), HTTPStatus.CREATED),
    "objects": (filled('{"":0}'), HTTPStatus.CREATED),
    "nested": (filled("[" * 190 + "]" * 190), HTTPStatus.CREATED),
    "keys": (
        json.dumps({"a": {f"{number:x}": 0 for number in range(80_000)}}),
        HTTPStatus.CREATED,
    ),
    "text": (filled("hunter2", '{"a":"..."}'), HTTPStatus.CREATED),
    "integers": (filled("9" * 4_290), HTTPStatus.CREATED),
    "too_large": (
        filled("[]", '{"a":[...,1e999]}'),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    "too_deep": (filled("[" * 201 + "]" * 201), HTTPStatus.UNPROCESSABLE_ENTITY),
}


POLICY = RedactionPolicy(keys=("person",), patterns=(*SECRETS, "hunter[0-9]"))
"""
All patterns there are, and one that is found.
"""


@asynccontextmanager
async def open_coded_service(
    url: str, code: Callable[[Ports], Ports]
) -> AsyncGenerator[Service]:
    """
    Serve an application whose ports change what goes into a database.
    """
    async with (
        open_ports(url) as opened,
        reused_application(ports_lifespan(code(opened)), add_routes, "coded") as app,
        served(app) as address,
        new_client(address, timeout=60) as client,
    ):
        yield Service(app=app, url=address, client=client, engine=None)


def redacted(ports: Ports) -> Ports:
    """
    Redact what goes into ports.
    """
    return redacting_ports(ports, POLICY)


def encrypted(ports: Ports) -> Ports:
    """
    Encrypt what goes into ports.
    """
    return encrypted_ports(ports, keys=key_ring(InMemoryKeyStore()))


def moved(ports: Ports) -> Ports:
    """
    Keep large data of events elsewhere.
    """
    return large_data(ports, contents=InMemoryArtifactStore())


def coded_in_all_ways(ports: Ports) -> Ports:
    """
    Encrypt what was redacted, and keep elsewhere what is large of that.
    """
    return redacted(encrypted(moved(ports)))


CODINGS = (redacted, encrypted, moved, coded_in_all_ways)
SERVICES: dict[str, Callable[[str], AbstractAsyncContextManager[Service]]] = {
    "plain": open_service,
    **{coding.__name__: partial(open_coded_service, code=coding) for coding in CODINGS},
}


@asynccontextmanager
async def measured_steps() -> AsyncGenerator[list[float]]:
    """
    Measure how much processor time each turn of the loop takes.

    What was there before is left to no garbage collector: to go through all that the
    tests have loaded takes as long as the bound. It stays so, or each later collection
    in this process would go through it.
    """
    steps: list[float] = []
    gc.collect()
    gc.freeze()

    async def measure() -> None:
        begun = thread_time()
        while True:
            await asyncio.sleep(0)
            steps.append(thread_time() - begun)
            begun = thread_time()

    measuring = asyncio.create_task(measure())
    try:
        yield steps
    finally:
        measuring.cancel()


async def longest_step(work: Callable[[str], Awaitable[None]]) -> float:
    """
    Return the processor time of the longest turn of the loop during some work.

    A machine that is shared gives a turn more time now and then than it needed: what is
    too long is done again, and the shortest counts.

    Args:
        work: Takes a name that no other time has.
    """
    longest: list[float] = []
    for name in ("first", "second", "third"):
        async with measured_steps() as steps:
            await work(name)
        longest.append(max(steps))
        if longest[-1] < MAX_STEP_SECONDS:
            break
    return min(longest)


async def post(service: Service, url: str, text: str) -> httpx.Response:
    """
    Send a body that is encoded already.
    """
    headers = {"Content-Type": "application/json"}
    return await service.client.post(url, content=text.encode(), headers=headers)


async def receive(pieces: AsyncIterator[bytes], most: int) -> None:
    """
    Receive pieces of an answer until they are more than so many bytes.
    """
    count = 0
    async for piece in pieces:
        count += len(piece)
        if count > most:
            return


def body_of_event(event_id: str, data: str) -> str:
    """
    Return what POST takes for an event, with its data as it is given.
    """
    time = "2026-01-02T12:00:00Z"
    head = f'"id":"{event_id}","type":"message_sent","timestamp":"{time}"'
    return f'{{{head},"data":{data}}}'


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        *product(("plain", "redacted", "encrypted"), HOSTILE),
        *product(("moved", "coded_in_all_ways"), ("objects", "nested")),
    ],
)
async def test_a_body_of_a_mebibyte_holds_nobody_up(
    migrated_sqlite_url: str, shape: str, kind: str
) -> None:
    """
    No step of its writing or reading takes a tenth of a second, whatever it holds.
    """
    data, status = HOSTILE[shape]
    async with SERVICES[kind](migrated_sqlite_url) as service:

        async def write_and_read(name: str) -> None:
            url = f"/sessions/{await service.new_session()}/events"
            answer = await post(service, url, body_of_event(name, data))
            page = await service.client.get(url)
            assert answer.status_code == status, answer.text[:500]
            if status == HTTPStatus.CREATED:
                assert page.json()["items"][0]["data"] == answer.json()["data"]

        assert await longest_step(write_and_read) < MAX_STEP_SECONDS


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("plain", "/sessions/{}/events/stream"),
        ("plain", "/events/stream"),
        ("redacted", "/sessions/{}/events/stream"),
        ("encrypted", "/events/stream"),
        ("coded_in_all_ways", "/sessions/{}/events/stream"),
    ],
)
async def test_streams_of_a_long_event_hold_nobody_up(
    migrated_sqlite_url: str, path: str, kind: str
) -> None:
    """
    Each is sent text, whether the event was handed over or read.
    """
    data, _ = HOSTILE["arrays"]
    async with SERVICES[kind](migrated_sqlite_url) as service:
        session_id = await service.new_session()
        url = f"/sessions/{session_id}/events"
        async with AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(
                    open_stream(service.client, path.format(session_id))
                )
                for _ in range(20)
            ]

            answers = [stream.answer.aiter_raw() for stream in streams]

            async def write_and_receive(name: str) -> None:
                answer = await post(service, url, body_of_event(name, data))
                for pieces in answers:
                    await receive(pieces, len(data))
                assert answer.status_code == HTTPStatus.CREATED

            assert await longest_step(write_and_receive) < MAX_STEP_SECONDS


async def test_what_is_wrong_in_a_long_body_is_named(service: Service) -> None:
    """
    By the member that it stands in, whatever the ports are.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events"
    answers = [
        await post(service, url, body_of_event("e", data))
        for data in (
            filled("[]", '{"a":[...,1e999]}'),
            filled("[" * 201 + "]" * 201),
            filled("0", "[...]"),
        )
    ]

    details = [answer.json()["detail"] for answer in answers]
    assert {answer.status_code for answer in answers} == {422}
    assert all(detail.startswith("data") for detail in details)
    assert details[2] == "data: expected a JSON object, got a list"


@pytest.mark.parametrize("kind", SERVICES)
async def test_long_json_is_stored_as_a_parser_reads_it(
    migrated_sqlite_url: str, kind: str
) -> None:
    """
    On each route that takes some, and it is answered as it is stored.
    """
    async with SERVICES[kind](migrated_sqlite_url) as service:
        await check_long_json(service)


async def check_long_json(service: Service) -> None:
    """
    Store the same odd JSON by each route, and read it.
    """
    odd: Any = json.loads(ODD)
    session_id = await service.new_session()
    url = f"/sessions/{session_id}"
    event = body_of_event("e", ODD)
    run = f'{{"input":[1],"output":{ODD},"metadata":{ODD},"provider_metadata":{ODD}}}'
    written = [
        await post(service, f"{url}/events", event),
        await post(service, f"{url}/events", event),
        await post(
            service, f"{url}/events/batch", f'{{"events":[{body_of_event("f", ODD)}]}}'
        ),
        await post(service, f"{url}/runs", run),
        await post(
            service,
            f"{url}/commit",
            f'{{"events":[{body_of_event("g", ODD)}],'
            f'"create_session":{{"agent_id":"a","context":{ODD}}}}}',
        ),
        await post(service, "/sessions", f'{{"agent_id":"a","context":{ODD}}}'),
    ]

    assert [answer.status_code for answer in written[:4]] == [201, 200, 201, 201]
    assert written[5].status_code == HTTPStatus.CREATED
    stored = await service.ports.store.get_events(session_id)
    assert [event.data for event in stored] == [odd] * len(stored)
    assert all(type(event.data) is dict for event in stored)
    saved = await service.ports.store.get_run(written[3].json()["id"])
    assert (saved.input, saved.output, saved.metadata) == ([1], odd, odd)
    begun = await service.ports.store.get_session(written[5].json()["id"])
    assert begun.context == odd
    assert written[0].json()["data"] == odd
    read = await service.client.get(f"{url}/events")
    assert [item["data"] for item in read.json()["items"]] == [odd] * len(stored)
    run_read = await service.client.get(f"{url}/runs/{saved.id}")
    assert run_read.json() == written[3].json()
    session_read = await service.client.get(f"/sessions/{begun.id}")
    assert session_read.json()["context"] == odd


async def test_other_long_content_of_an_id_is_a_conflict(service: Service) -> None:
    """
    It is compared with what is stored, and the answer names what differs.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events"
    await post(service, url, body_of_event("e", ODD))
    other = await post(service, url, body_of_event("e", ODD.replace("true", "false")))

    assert other.status_code == HTTPStatus.CONFLICT
    assert "data['twice']['a'][4]" in other.json()["detail"]


async def test_a_follower_is_given_long_json_decoded(service: Service) -> None:
    """
    In this process, and over HTTP.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events"
    followed = service.ports.feed.follow_session(session_id)
    first = asyncio.ensure_future(anext(followed))
    async with open_stream(service.client, f"{url}/stream") as stream:
        await post(service, url, body_of_event("e", ODD))
        event = await first
        async with asyncio.timeout(10):
            message = await stream.next()
    await followed.aclose()

    assert event.data == json.loads(ODD)
    assert type(event.data) is dict
    assert message is not None
    assert message.data["data"] == event.data


async def test_a_store_that_redacts_sees_what_is_in_a_long_body(
    migrated_sqlite_url: str,
) -> None:
    """
    By its keys as by its texts, on each route that takes JSON, however it is cut.
    """
    filling = ",".join(['{"person":"p","said":["hunter2"]}'] * 3_000)
    data = f'{{"person":[{filling}],"a":[{filling}],"said":"{"hunter3 " * 9_000}"}}'
    expected = POLICY.redact(json.loads(data))
    async with open_coded_service(migrated_sqlite_url, redacted) as service:
        session_id = await service.new_session()
        url = f"/sessions/{session_id}"
        other = await service.new_session(context=json.loads(data))
        answers = [
            await post(service, f"{url}/events", body_of_event("e", data)),
            await post(service, f"{url}/events", body_of_event("e", data)),
            await post(
                service,
                f"{url}/runs",
                f'{{"input":{data},"output":{data},"metadata":{data}}}',
            ),
        ]
        events = await service.ports.store.get_events(session_id)
        run = await service.ports.store.get_run(answers[2].json()["id"])
        session = await service.ports.store.get_session(other)

    assert [answer.status_code for answer in answers] == [201, 200, 201]
    assert [answer.json()["data"] for answer in answers[:2]] == [expected] * 2
    assert [event.data for event in events] == [expected]
    assert (run.input, run.output, run.metadata) == (expected,) * 3
    assert session.context == expected
    assert "hunter" not in json.dumps(expected)


async def test_a_long_text_is_redacted_where_it_is_the_value_itself(
    migrated_sqlite_url: str,
) -> None:
    """
    A run's input may be a text, which is no object to be cut.
    """
    async with open_coded_service(migrated_sqlite_url, redacted) as service:
        session_id = await service.new_session()
        run = '{"input":"%s"}' % ("hunter2 " * 9_000)
        answer = await post(service, f"/sessions/{session_id}/runs", run)
        stored = await service.ports.store.get_run(answer.json()["id"])

    assert answer.status_code == HTTPStatus.CREATED
    assert stored.input == "[redacted] " * 9_000


def test_the_text_of_json_is_redacted_as_what_it_stands_for() -> None:
    """
    Also where a store is given it by other callers.
    """
    text = EncodedJSON('{"person":"p"}')
    assert POLICY.redact(text) == POLICY.redact({"person": "p"})
