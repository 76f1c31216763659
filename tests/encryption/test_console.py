"""
The console in front of encrypting ports.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from asm_async.encryption import KeyOwner
from asm_async.testing.factories import make_event
from tests.encrypted_ports import key_ring
from tests.encryption.databases import Encrypted
from tests.encryption.telling import SAID, tell_secrets
from tests.integration.console.serving import PATH, open_console
from tests.integration.fastapi.event_source import open_stream

ONE = {"session_id": "ses_1"}
VIEWS: list[tuple[str, dict[str, Any]]] = [
    ("about", {}),
    ("sessions", {}),
    ("sessions", {"q": "ses"}),
    ("rows", ONE),
    ("session", ONE),
    ("runs", ONE),
    ("run", {**ONE, "run_id": "run_ses_1"}),
    ("tree", ONE),
    ("entries", ONE),
    ("event", {**ONE, "sequence": 1}),
    ("find", {**ONE, "q": "number"}),
    ("locate", {**ONE, "run_id": "run_ses_1"}),
    ("usage", {}),
    ("latency", {}),
    ("export", {**ONE, "format": "html"}),
    ("export", {**ONE, "format": "json"}),
]
SPEAKING = {"run", "entries", "event", "find", "export"}
WRITES: list[tuple[str, dict[str, Any]]] = [
    ("session/rename", {"title": "new"}),
    ("session/rename", {"title": None}),
    ("session/tags", {"add": ["new"]}),
]


async def test_the_console_shows_what_is_decrypted(encrypted: Encrypted) -> None:
    """
    Every view, what is appended while it looks, and a title that it writes.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    async with open_console(None, ports=ports, read_only=False) as console:
        for path, asked in VIEWS:
            answer = await console.client.get(f"{PATH}/api/{path}", params=asked)
            assert answer.status_code == HTTPStatus.OK, (path, answer.text)
            assert "asm.encrypted" not in answer.text
            assert SAID in answer.text or path not in SPEAKING, path
        url = f"{PATH}/api/stream"
        async with open_stream(console.client, url, "20", params=ONE) as source:
            await ports.store.append_event(make_event(id="new", data={"content": SAID}))
            while SAID not in str((await source.take(1))[0].data):
                pass
        renamed = await console.post("session/rename", {"title": SAID}, **ONE)
        assert renamed.json()["title"] == SAID
        stored = await encrypted.raw.store.get_session("ses_1")
        assert SAID not in repr(stored)


async def test_the_console_shows_what_is_erased_as_erased(encrypted: Encrypted) -> None:
    """
    No view fails; a title is refused with the reason, and a deletion is not.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    async with open_console(None, ports=ports, read_only=False) as console:
        await console.get("entries", **ONE)
        await key_ring(encrypted.key_store).drop(KeyOwner.session("ses_1"))
        for path, asked in VIEWS:
            answer = await console.client.get(f"{PATH}/api/{path}", params=asked)
            assert answer.status_code == HTTPStatus.OK, (path, answer.text)
            assert SAID not in answer.text
            assert "asm.erased" in answer.text or path not in SPEAKING - {"find"}, path
        async with open_stream(
            console.client, f"{PATH}/api/stream", params=ONE
        ) as source:
            entries = str([each.data for each in await source.take(2)])
        assert "asm.erased" in entries
        for path, body in WRITES:
            answer = await console.post(path, body, **ONE)
            assert answer.status_code == HTTPStatus.CONFLICT, answer.text
            assert answer.json()["code"] == "key_dropped"
        for path in ("session/delete", "session/restore"):
            assert (await console.post(path, {}, **ONE)).is_success


async def test_the_console_finds_nothing_that_maintenance_erased(
    encrypted: Encrypted,
) -> None:
    """
    Each view of it answers 404, and so does each write.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    async with open_console(None, ports=ports, read_only=False) as console:
        await console.get("entries", **ONE)
        await ports.maintenance.erase(user_id="ann")
        for path, asked in VIEWS:
            answer = await console.client.get(f"{PATH}/api/{path}", params=asked)
            is_about_it = "session_id" in asked and path != "rows"
            expected = HTTPStatus.NOT_FOUND if is_about_it else HTTPStatus.OK
            assert answer.status_code == expected, (path, answer.text)
        for path, body in WRITES:
            answer = await console.post(path, body, **ONE)
            assert answer.status_code == HTTPStatus.NOT_FOUND, answer.text
