"""
Our artifact service beside ADK's own in memory, and what it promises beyond that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.adk.artifacts.artifact_util import get_artifact_uri
from google.adk.artifacts.base_artifact_service import (
    ArtifactVersion,
    BaseArtifactService,
)
from google.adk.artifacts.in_memory_artifact_service import InMemoryArtifactService
from google.adk.errors.input_validation_error import InputValidationError
from google.genai import types

from asm_async import Ports
from asm_async.artifacts import remove_unnamed_contents
from asm_async.errors import ArtifactDamagedError, ValidationError
from asm_async.files import LocalArtifactStore
from asm_async.integrations.google_adk import AsmArtifactService, AsmSessionService
from asm_async.memory import InMemoryArtifactStore
from asm_async.portal import Portal

STEPS = 80
APPS, USERS, SESSIONS = ("app", "other"), ("ann", "bob"), ("s1", "s2", None)
NAMES = ("a.txt", "a.txt/b", "user:a.txt", "user:b", "ö ?.png", "n" * 300)
OWNER: dict[str, Any] = {"app_name": "app", "user_id": "ann", "session_id": "s1"}
FILE: dict[str, Any] = {**OWNER, "filename": "a.txt"}


def _parts(draw: random.Random, owner: dict[str, Any]) -> types.Part | dict[str, Any]:
    data = draw.randbytes(draw.choice([0, 1, 1_000]))
    target = draw.choice(NAMES)
    reference = get_artifact_uri(
        owner["app_name"], owner["user_id"], target, draw.randrange(3), "s1"
    )
    return draw.choice(
        [
            types.Part.from_bytes(data=data, mime_type="application/octet-stream"),
            types.Part(inline_data=types.Blob(data=data, display_name="d")),
            types.Part(text=draw.choice(["", "text", "snow \N{SNOWMAN} \0"])),
            types.Part.from_uri(file_uri="gs://b/f", mime_type="image/png"),
            types.Part(file_data=types.FileData(file_uri=reference)),
            types.Part(file_data=types.FileData(file_uri="artifact://nothing")),
            types.Part(),
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
        ]
    )


async def _outcome(do: Callable[..., Awaitable[Any]], service: Any) -> Any:
    try:
        return _plain(await do(service))
    except Exception as error:  # noqa: BLE001 - whatever ADK raises we raise, too
        return type(error)


def _plain(answer: Any) -> Any:
    """
    Return an answer without what names the service.
    """
    if isinstance(answer, list):
        return [_plain(each) for each in answer]
    if isinstance(answer, ArtifactVersion):
        return answer.model_dump(exclude={"canonical_uri", "create_time"})
    return answer


def _step(draw: random.Random) -> Callable[[BaseArtifactService], Awaitable[Any]]:
    """
    Return something to do with a service, the same with each.
    """
    owner = {
        "app_name": draw.choice(APPS),
        "user_id": draw.choice(USERS),
        "session_id": draw.choice(SESSIONS),
    }
    named = {**owner, "filename": draw.choice(NAMES)}
    version = draw.choice([None, None, -1, 0, 1, 5])
    part, about = _parts(draw, owner), draw.choice([None, {}, {"k": [1]}])
    some = draw.choice(
        [
            ("list_artifact_keys", owner),
            ("list_versions", named),
            ("list_artifact_versions", named),
            ("get_artifact_version", {**named, "version": version}),
            ("delete_artifact", named),
            *[("load_artifact", {**named, "version": version})] * 5,
            *[("save_artifact", {**named, "artifact": part, "custom_metadata": about})]
            * 10,
        ]
    )
    method, arguments = some
    return lambda service: getattr(service, method)(**arguments)


@pytest.mark.parametrize("with_sessions", [True, False])
@pytest.mark.parametrize("seed", range(3))
async def test_it_answers_as_adks_own(
    ports: Ports, tmp_path: Path, seed: int, *, with_sessions: bool
) -> None:
    """
    Random operations are answered as ADK's service in memory answers them.
    """
    if with_sessions:
        sessions = AsmSessionService(ports)
        for app in APPS:
            for user in USERS:
                await sessions.create_session(
                    app_name=app, user_id=user, session_id="s1"
                )
    draw = random.Random(seed)
    theirs = InMemoryArtifactService()
    ours = AsmArtifactService(ports, LocalArtifactStore(tmp_path / "contents"))
    for _ in range(STEPS):
        step = _step(draw)
        assert await _outcome(step, theirs) == await _outcome(step, ours)


async def test_saves_at_once_have_a_version_each(ports: Ports) -> None:
    """
    Ten callers that save one artifact at the same time get ten versions, in a row.
    """
    service = AsmArtifactService(ports, InMemoryArtifactStore())
    parts = [types.Part(text=str(number)) for number in range(10)]
    versions = await asyncio.gather(
        *(service.save_artifact(**FILE, artifact=part) for part in parts)
    )
    assert sorted(versions) == list(range(10))
    for part, version in zip(parts, versions, strict=True):
        assert await service.load_artifact(**FILE, version=version) == part


async def test_artifacts_go_with_their_session(ports: Ports) -> None:
    """
    The session's artifacts are the store's, and are gone with it; the user's stay.
    """
    sessions = AsmSessionService(ports)
    contents = InMemoryArtifactStore()
    service = AsmArtifactService(ports, contents)
    await sessions.create_session(**OWNER)
    await service.save_artifact(**FILE, artifact=types.Part(text="session's"))
    users = {**OWNER, "filename": "user:u"}
    await service.save_artifact(**users, artifact=types.Part(text="user's"))
    (artifact,) = await ports.artifacts.list_by_session("adk/app/ann/s1")
    assert artifact.content_type == "text/plain"
    await sessions.delete_session(**OWNER)
    assert await service.list_artifact_keys(**OWNER) == ["user:u"]
    assert await service.list_versions(**FILE) == []
    async for _ in remove_unnamed_contents(
        ports.artifacts, contents, grace_period=timedelta(0)
    ):
        pass
    assert len(await contents.list_checksums()) == 1
    assert await service.load_artifact(**users) == types.Part(text="user's")


async def test_what_is_deleted_is_removed_by_retention(ports: Ports) -> None:
    """
    The content of a deleted artifact is freed, and the next save is version 0 again.
    """
    contents = InMemoryArtifactStore()
    service = AsmArtifactService(ports, contents)
    await service.save_artifact(**FILE, artifact=types.Part(text="old"))
    await service.delete_artifact(**FILE)
    later = datetime.now(UTC) + timedelta(seconds=5)
    assert await ports.artifacts.hard_delete_expired(later) == 1
    assert await service.save_artifact(**FILE, artifact=types.Part(text="new")) == 0
    assert await service.load_artifact(**FILE) == types.Part(text="new")


async def test_a_content_that_retention_took_is_none(ports: Ports) -> None:
    """
    An artifact that was removed behind the service's back is not found.
    """
    service = AsmArtifactService(ports, InMemoryArtifactStore())
    await AsmSessionService(ports).create_session(**OWNER)
    await service.save_artifact(**FILE, artifact=types.Part(text="x"))
    (artifact,) = await ports.artifacts.list_by_session("adk/app/ann/s1")
    await ports.artifacts.soft_delete(artifact.id)
    later = datetime.now(UTC) + timedelta(seconds=5)
    await ports.artifacts.hard_delete_expired(later)
    assert await service.load_artifact(**FILE) is None
    await service.delete_artifact(**FILE)
    assert await service.list_versions(**FILE) == []


async def test_a_damaged_content_is_never_returned(
    ports: Ports, tmp_path: Path
) -> None:
    """
    A file that is not what was saved is refused.
    """
    service = AsmArtifactService(ports, LocalArtifactStore(tmp_path / "c"))
    await service.save_artifact(**FILE, artifact=types.Part(text="whole"))
    (content,) = [
        path for path in (tmp_path / "c").rglob("*") if path.stat().st_size == 5
    ]
    content.chmod(0o600)
    content.write_bytes(b"spoil")
    with pytest.raises(ArtifactDamagedError):
        await service.load_artifact(**FILE)


async def test_a_save_that_fails_leaves_no_version(ports: Ports) -> None:
    """
    Where the content cannot be put, or a description is no JSON, there is no version.
    """

    class FullStore(InMemoryArtifactStore):
        async def put(self, content: Any) -> Any:
            del content
            raise OSError(28, "No space left on device")

    service = AsmArtifactService(ports, FullStore())
    with pytest.raises(OSError, match="No space"):
        await service.save_artifact(**FILE, artifact=types.Part(text="x"))
    good = AsmArtifactService(ports, InMemoryArtifactStore())
    with pytest.raises(ValidationError):
        await good.save_artifact(
            **FILE, artifact=types.Part(text="x"), custom_metadata={"k": {1}}
        )
    assert await good.list_artifact_keys(**OWNER) == []


async def test_a_cancelled_save_is_a_version_or_none(ports: Ports) -> None:
    """
    Cancelled at any moment, a save has made its version whole, or none.
    """
    service = AsmArtifactService(ports, InMemoryArtifactStore())
    for turns in range(25):
        part = types.Part(text=str(turns))
        task = asyncio.create_task(service.save_artifact(**FILE, artifact=part))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        versions = await service.list_versions(**FILE)
        assert versions == list(range(len(versions)))
        for version in versions:
            assert await service.load_artifact(**FILE, version=version) is not None


@pytest.mark.parametrize("name", ["", "..", "/a", "a\0"])
async def test_names_that_are_none_are_refused(ports: Ports, name: str) -> None:
    """
    The app, the user and the session have names that ADK accepts.
    """
    service = AsmArtifactService(ports, InMemoryArtifactStore())
    for member in ("app_name", "user_id", "session_id"):
        with pytest.raises(InputValidationError, match=member):
            await service.load_artifact(**{**FILE, member: name})
        with pytest.raises(InputValidationError, match=member):
            await service.list_artifact_keys(**{**OWNER, member: name})


async def test_references_end(ports: Ports) -> None:
    """
    An artifact that refers to itself is refused, and does not go on for ever.
    """
    service = AsmArtifactService(ports, InMemoryArtifactStore())
    uri = get_artifact_uri("app", "ann", "a.txt", 0, "s1")
    part = types.Part(file_data=types.FileData(file_uri=uri))
    await service.save_artifact(**FILE, artifact=part)
    with pytest.raises(InputValidationError, match="depth"):
        await service.load_artifact(**FILE)
    described = await service.get_artifact_version(**FILE)
    assert described is not None
    assert described.canonical_uri == uri


def test_a_portal_serves_several_loops(portal: Portal, tmp_path: Path) -> None:
    """
    A service over a portal's ports is used by one loop after the other.
    """
    service = AsmArtifactService(portal.ports, LocalArtifactStore(tmp_path / "c"))
    part = types.Part.from_bytes(data=b"x" * 100_000, mime_type="image/png")
    assert asyncio.run(service.save_artifact(**FILE, artifact=part)) == 0
    assert asyncio.run(service.load_artifact(**FILE)) == part
