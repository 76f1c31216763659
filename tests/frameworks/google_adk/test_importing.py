"""
Databases that ADK's own services have written, imported.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions, EventCompaction
from google.adk.sessions.base_session_service import BaseSessionService
from google.adk.sessions.database_session_service import DatabaseSessionService
from google.adk.sessions.schemas import v0
from google.adk.sessions.session import Session
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types

from asm_async import InMemoryPorts, Ports
from asm_async.importers import import_from
from asm_async.integrations.google_adk import AsmSessionService
from tests.frameworks.google_adk.adk_events import (
    answered,
    called,
    changed,
    said,
    usage,
)

SESSION = {"app_name": "app", "user_id": "ann", "session_id": "s1"}
STATE = {"topic": "rain", "user:city": "Rome", "app:v": 1}
KINDS = [
    "v0-sqlite",
    "v1-sqlite",
    "sqlite-service",
    pytest.param("v0-postgresql", marks=pytest.mark.postgres),
    pytest.param("v1-postgresql", marks=pytest.mark.postgres),
]


@pytest.fixture
def western_time(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """
    Let this process be where it is earlier than in UTC.
    """
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def fill(service: BaseSessionService) -> Session:
    """
    Have a conversation in a service, and return its session.
    """
    session = await service.create_session(**SESSION, state=STATE)
    image = types.Blob(mime_type="image/png", data=bytes(range(240, 256)))
    compacted = EventCompaction(
        start_timestamp=1.0,
        end_timestamp=2.0,
        compacted_content=types.Content(role="model", parts=[types.Part(text="short")]),
    )
    events = [
        said("How warm is it?"),
        called("c1", "c2", usage_metadata=usage(10, 5)),
        answered("c1"),
        answered("c2", response={"error": "no such city"}),
        Event(
            author="helper",
            invocation_id="e-1",
            content=types.Content(role="model", parts=[types.Part(inline_data=image)]),
            long_running_tool_ids={"c9"},
        ),
        changed({"topic": None, "user:asked": 2}),
        Event(
            author="helper", invocation_id="e-2", error_code="X", error_message="bad"
        ),
        Event(author="helper", actions=EventActions(compaction=compacted)),
    ]
    for event in events:
        await service.append_event(session, event)
    found = await service.get_session(**SESSION)
    assert found is not None
    return found


async def written(
    kind: str, tmp_path: Path, source_urls: dict[str, str]
) -> tuple[str, Session]:
    """
    Return the URL of a database of a kind, and the session in it as ADK reads it.
    """
    url = f"sqlite+aiosqlite:///{tmp_path}/theirs.sqlite3"
    schema, _, database = kind.partition("-")
    url = source_urls.get(database, url)
    if database == "service":
        return url, await fill(SqliteSessionService(str(tmp_path / "theirs.sqlite3")))
    if schema == "v0":
        await _create_older_tables(url)
    service = DatabaseSessionService(url)
    session = await fill(service)
    await service.close()
    return url, session


async def _create_older_tables(url: str) -> None:
    engine = sa.ext.asyncio.create_async_engine(url)
    async with engine.begin() as conn:
        await conn.run_sync(v0.Base.metadata.create_all)
    await engine.dispose()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("western_time")
@pytest.mark.parametrize("kind", KINDS)
async def test_adk_continues_an_imported_session(
    kind: str, tmp_path: Path, source_urls: dict[str, str]
) -> None:
    """
    ``AsmSessionService`` reads the session that ADK's own reads, and appends to it.
    """
    url, theirs = await written(kind, tmp_path, source_urls)
    async with InMemoryPorts() as ports:
        for _ in range(2):
            done = await import_from(ports, "google-adk", url)
            assert done.problem_count == 0
        assert (done.events_imported, done.items_imported, done.runs_changed) == (
            0,
        ) * 3
        service = AsmSessionService(ports)
        ours = await service.get_session(**SESSION)
        assert ours is not None
        assert ours.events == theirs.events
        assert ours.state == theirs.state
        assert ours.last_update_time == theirs.last_update_time
        await service.append_event(ours, said("Go on."))
        listed = await service.list_sessions(app_name="app", user_id="ann")
        assert [session.id for session in listed.sessions] == ["s1"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_it_is_what_our_service_would_have_written(
    ports: Ports, tmp_path: Path
) -> None:
    """
    The events and runs are those of ``import_session``, but for the first event's id.
    """
    url, theirs = await written("v1-sqlite", tmp_path, {})
    await import_from(ports, "google-adk", url)
    async with InMemoryPorts() as others:
        await AsmSessionService(others).import_session(theirs)
        ours = await _told(ports)
        expected = await _told(others)
    assert ours == expected


async def _told(ports: Ports) -> list[Any]:
    _, *events = await ports.store.get_events("adk/app/ann/s1")
    runs = await ports.store.list_runs("adk/app/ann/s1")
    return [
        [(e.id, e.type, e.timestamp, e.run_id, e.data, e.metadata) for e in events],
        [(r.id, r.status, r.token_usage, r.input, r.output, r.error) for r in runs],
    ]
