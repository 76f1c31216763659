"""
HTTP and the event stream in front of encrypting ports.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx

from asm_async.encryption import KeyOwner
from asm_async.integrations.fastapi import ports_lifespan
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from tests.encrypted_ports import key_ring
from tests.encryption.databases import Encrypted
from tests.encryption.telling import ERASED, SAID, tell_secrets
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.serving import (
    EVERYBODY,
    application,
    as_tenant,
    event_body,
    served,
)

ONE = "/sessions/ses_1"
ITEM = {"scope": "ses_1", "key": "k"}
READS: dict[str, dict[str, Any]] = {
    ONE: {},
    f"{ONE}/stats": {},
    f"{ONE}/runs": {},
    f"{ONE}/runs/run_ses_1": {},
    f"{ONE}/events": {},
    f"{ONE}/export": {},
    f"{ONE}/state": {"scope": "ses_1"},
    f"{ONE}/state/item": ITEM,
}
SEARCHES = ("/sessions", "/runs", "/events", "/events/count", "/usage", "/cost")
EVENT = event_body(make_event(id="new"))
WRITES: list[tuple[str, str, Any]] = [
    ("PUT", ONE, make_session().to_dict()),
    ("POST", f"{ONE}/events", EVENT),
    ("POST", f"{ONE}/events/batch", {"events": [EVENT]}),
    ("POST", f"{ONE}/commit", {"events": [EVENT]}),
    ("PUT", f"{ONE}/runs/run_new", make_run(id="run_new").to_dict()),
    ("PUT", f"{ONE}/runs/run_ses_1", make_run(id="run_ses_1").to_dict()),
    ("POST", f"{ONE}/retractions", {"first": 2, "last": 3, "replacement": [EVENT]}),
    ("PUT", f"{ONE}/state/item?scope=ses_1&key=k", {"data": SAID}),
]


@asynccontextmanager
async def client_of(encrypted: Encrypted) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Serve what is encrypted, and yield a client that may see everything.
    """
    app = application(ports_lifespan(encrypted.ports()))
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address, headers=EVERYBODY, timeout=20) as client,
    ):
        yield client


async def drop(encrypted: Encrypted) -> None:
    """
    Drop the key of the session, as another process does.
    """
    await key_ring(encrypted.key_store).drop(KeyOwner.session("ses_1"))


async def test_what_comes_in_is_encrypted_and_goes_out_decrypted(
    encrypted: Encrypted,
) -> None:
    """
    Each value that is written by a request is read by another, and stands sealed.
    """
    secret = {"text": SAID}
    run = make_run(id="run_new", session_id="ses_new", input=SAID).to_dict()
    event = make_event(id="new", session_id="ses_new", data=secret)
    item = make_item(scope="ses_new", session_id="ses_new", data=secret, content=b"x")
    session = make_session(id="ses_new", metadata=secret, context=secret).to_dict()
    new = "/sessions/ses_new"
    params = {"scope": "ses_new", "key": "k"}
    async with client_of(encrypted) as client:
        for path, body, asked in (
            (new, session, {}),
            (f"{new}/runs/run_new", run, {}),
            (f"{new}/state/item", item.to_dict(), params),
        ):
            given = {k: v for k, v in body.items() if k not in {"scope", "key"}}
            put = await client.put(path, json=given, params=asked)
            got = await client.get(path, params=asked)
            assert put.status_code == HTTPStatus.CREATED, put.text
            assert got.json() == put.json()
            assert SAID in got.text
        for status in (HTTPStatus.CREATED, HTTPStatus.OK):
            post = await client.post(f"{new}/events", json=event_body(event))
            assert post.status_code == status
        listed = await client.get(f"{new}/events")
        assert listed.json()["items"] == [event.with_given(1).to_dict()]
        exported = (await client.get(f"{new}/export")).text
        assert exported.count(SAID) == 5
    raw = await encrypted.raw.query.export_session("ses_new")
    assert SAID not in repr(raw)


async def test_searches_and_streams_are_decrypted(encrypted: Encrypted) -> None:
    """
    Pages, the export of all sessions, and what is appended while a stream is open.
    """
    await tell_secrets(encrypted.ports())
    async with client_of(encrypted) as client:
        for path in ("/sessions", "/runs", "/events", "/export"):
            answer = await client.get(path)
            assert answer.status_code == HTTPStatus.OK
            assert SAID in answer.text
            assert "asm.encrypted" not in answer.text
        for count, path in ((20, f"{ONE}/events/stream"), (21, "/events/stream")):
            async with open_stream(client, path) as source:
                messages = await source.take(count)
                event = make_event(id=f"evt_{count}", data={"content": SAID})
                await client.post(f"{ONE}/events", json=event_body(event))
                messages += await source.take(1)
            assert [SAID in str(each.data) for each in messages] == [True] * (count + 1)
        texts = await client.get("/texts", params={"query": "number"})
        assert texts.status_code == HTTPStatus.NOT_IMPLEMENTED


async def test_what_is_erased_is_answered_as_gone_and_takes_nothing(
    encrypted: Encrypted,
) -> None:
    """
    Reads answer 200 with what remains, searches and streams too; writes answer 409.
    """
    await tell_secrets(encrypted.ports())
    async with client_of(encrypted) as client:
        await client.get(f"{ONE}/events")
        await drop(encrypted)
        for path, params in READS.items():
            answer = await client.get(path, params=params)
            assert answer.status_code == HTTPStatus.OK, answer.text
            assert SAID not in answer.text
        for path in (*SEARCHES, "/export"):
            answer = await client.get(path)
            assert answer.status_code == HTTPStatus.OK, answer.text
            assert SAID not in answer.text
        for path in (f"{ONE}/events/stream", "/events/stream"):
            async with open_stream(client, path) as source:
                messages = await source.take(20)
            assert [message.data["data"] for message in messages] == [ERASED] * 20
        for method, path, body in WRITES:
            answer = await client.request(method, path, json=body)
            found = answer.status_code, answer.json().get("code")
            assert found == (HTTPStatus.CONFLICT, "key_dropped"), (path, answer.text)
        copy = {"session": make_session(id="copy", tenant_id="acme").to_dict()}
        answer = await client.post(f"{ONE}/copies", json=copy)
        assert answer.status_code == HTTPStatus.CREATED, answer.text
        copied = (await client.get("/sessions/copy/events")).json()["items"]
        assert [event["data"] for event in copied] == [ERASED] * 20
        for asked in (client.delete(ONE), client.post(f"{ONE}/restore")):
            assert (await asked).is_success
        removed = await client.delete(ONE, params={"hard": "true"})
        assert removed.status_code == HTTPStatus.NO_CONTENT


async def test_what_maintenance_erased_is_not_found(encrypted: Encrypted) -> None:
    """
    Nothing of it is there: 404, also for what writes, until its id begins again.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    async with client_of(encrypted) as client:
        await client.get(ONE)
        async with open_stream(client, f"{ONE}/events/stream") as source:
            await source.take(20)
            await ports.maintenance.erase(user_id="ann")
        for path, params in READS.items():
            answer = await client.get(path, params=params)
            assert answer.status_code == HTTPStatus.NOT_FOUND, (path, answer.text)
        for method, path, body in WRITES[1:]:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == HTTPStatus.NOT_FOUND, (path, answer.text)
        assert (await client.get("/sessions")).json()["items"] == []
        method, path, body = WRITES[0]
        assert (await client.request(method, path, json=body)).is_success
        event = await client.post(f"{ONE}/events", json=EVENT)
        assert event.status_code == HTTPStatus.CREATED


async def test_a_tenant_is_told_nothing_of_what_another_one_had_erased(
    encrypted: Encrypted,
) -> None:
    """
    That a key was dropped is known of sessions alone that it may see; none is lent.
    """
    await tell_secrets(encrypted.ports())
    copy = {"session": make_session(id="copy").to_dict()}
    async with client_of(encrypted) as client:
        client.headers.update(as_tenant("other"))
        answer = await client.post(f"{ONE}/copies", json=copy)
        assert answer.status_code == HTTPStatus.NOT_FOUND, answer.text
        record = await key_ring(encrypted.key_store).find(KeyOwner.session("copy"))
        assert record is None or not record.lent
        await drop(encrypted)
        for method, path, body in WRITES:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == HTTPStatus.NOT_FOUND, (path, answer.text)
