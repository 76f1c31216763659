"""
Streams that are resumed after an older state of the database was restored.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from asm_async.sql import create_engine, migrations
from asm_async.testing.factories import make_event
from tests.integration.fastapi.event_source import Message, open_stream
from tests.integration.fastapi.serving import Service, open_service

# An id with what means something in a header, a URL or a message.
ID = "evt:2 é/%2F\U0001f600&?"


async def written(service: Service, session_id: str, *ids: str) -> None:
    """
    Append events with these ids.
    """
    for id_ in ids:
        event = make_event(id=id_, session_id=session_id)
        await service.ports.store.append_event(event)


async def lose_the_last(tmp_path: Path) -> tuple[str, Message, Message]:
    """
    Have a client see three events, and restore the file as it was after the first.

    Then two others are appended.

    Returns:
        The session's id, and the last message of its stream and that of all sessions.
    """
    path = tmp_path / "asm.sqlite3"
    async with open_service(f"sqlite+aiosqlite:///{path}") as service:
        session_id = await service.new_session()
        await written(service, session_id, "evt_1")
        with (
            closing(sqlite3.connect(path)) as live,
            closing(sqlite3.connect(tmp_path / "backup.sqlite3")) as backup,
        ):
            live.backup(backup)
        await written(service, session_id, "evt_2", ID)
        url = f"/sessions/{session_id}/events/stream"
        async with open_stream(service.client, url) as source:
            *_, message = await source.take(3)
        async with open_stream(service.client, "/events/stream") as source:
            *_, of_all = await source.take(3)
    for name in ("asm.sqlite3-wal", "asm.sqlite3-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "backup.sqlite3").replace(path)
    async with open_service(f"sqlite+aiosqlite:///{path}") as service:
        await written(service, session_id, "evt_a", "evt_b", "evt_c")
    return session_id, message, of_all


@pytest.fixture
async def migrated(tmp_path: Path) -> Path:
    """
    Return where an SQLite file lies that has our tables.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}")
    await migrations.upgrade(engine)
    await engine.dispose()
    return tmp_path


async def test_a_client_that_resumes_after_a_loss_is_told_of_it(
    migrated: Path,
) -> None:
    """
    Neither stream skips what was appended instead; the error names what is gone.
    """
    session_id, message, of_all = await lose_the_last(migrated)
    url = f"/sessions/{session_id}/events/stream"

    async with open_service(f"sqlite+aiosqlite:///{migrated / 'asm.sqlite3'}") as again:
        for path, last, resuming in (
            (url, message.id, {}),
            (url, "", {"after": message.id}),
            ("/events/stream", of_all.id, {}),
            ("/events/stream", "", {"checkpoint": of_all.id}),
        ):
            async with open_stream(again.client, path, last, params=resuming) as source:
                messages = await source.take(9)
            assert [each.event for each in messages] == ["error"]
            problem = messages[0].data
            assert problem["code"] == "history_lost"
            assert "event 3 of session" in problem["detail"]
            assert session_id in problem["detail"]
        # Begun again, it gets all that there is.
        async with open_stream(again.client, url) as source:
            ids = [each.data["id"] for each in await source.take(4)]
    assert ids == ["evt_1", "evt_a", "evt_b", "evt_c"]


async def test_a_stream_goes_on_behind_an_event_or_a_number(service: Service) -> None:
    """
    Whatever is in the event's id; a plain number is what it was.
    """
    session_id = await service.new_session()
    await written(service, session_id, "evt_1", ID, "evt_3")
    url = f"/sessions/{session_id}/events/stream"
    async with open_stream(service.client, url) as source:
        first, second = await source.take(2)
    assert [first.id, second.id.partition(":")[0]] == ["1:evt_1", "2"]
    assert second.id.isascii()

    for last, resuming in (
        (second.id, {}),
        ("2", {}),
        ("", {"after": "2"}),
        ("", {"after": second.id}),
    ):
        async with open_stream(service.client, url, last, params=resuming) as source:
            (third,) = await source.take(1)
        assert third.data["id"] == "evt_3"
