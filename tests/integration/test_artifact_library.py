"""
Contents and artifacts together: saved in order, read verified, cleaned after crashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asm_async.artifacts import Artifact, ArtifactLibrary, remove_unnamed_contents
from asm_async.errors import (
    ArtifactConflictError,
    ArtifactDamagedError,
    ArtifactNotFoundError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.files import LocalArtifactStore
from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryArtifactStore,
    InMemoryDatabase,
    InMemorySessionStore,
)
from asm_async.ports import ArtifactRegistry, SessionStore
from asm_async.sql import SQLArtifactRegistry, SQLSessionStore, create_engine
from asm_async.testing.artifacts.contents import in_pieces
from asm_async.testing.factories import make_session

AT_ONCE = timedelta(0)


@pytest.fixture(params=["memory", "sqlite and files"])
def url(request: pytest.FixtureRequest) -> str | None:
    """
    Return a database of each kind in turn; the one in memory has no URL.
    """
    if request.param == "memory":
        return None
    return str(request.getfixturevalue("migrated_sqlite_url"))


@pytest.fixture
async def parts(
    url: str | None, tmp_path: Path
) -> AsyncGenerator[tuple[SessionStore, ArtifactLibrary]]:
    """
    Yield a session store and a library over one database.
    """
    if url is None:
        database = InMemoryDatabase()
        registry: ArtifactRegistry = InMemoryArtifactRegistry(database)
        library = ArtifactLibrary(registry, InMemoryArtifactStore())
        yield InMemorySessionStore(database), library
        return
    engine = create_engine(url)
    store, registry = SQLSessionStore(engine), SQLArtifactRegistry(engine)
    yield store, ArtifactLibrary(registry, LocalArtifactStore(tmp_path / "contents"))
    await store.aclose()
    await engine.dispose()


@pytest.fixture
async def library(parts: tuple[SessionStore, ArtifactLibrary]) -> ArtifactLibrary:
    """
    Return the library, with the session ``ses_1`` in its database.
    """
    await parts[0].save_session(make_session())
    return parts[1]


@pytest.fixture
def store(parts: tuple[SessionStore, ArtifactLibrary]) -> SessionStore:
    """
    Return the session store on the library's database.
    """
    return parts[0]


async def clean(library: ArtifactLibrary, grace_period: timedelta) -> int:
    """
    Remove the contents that no artifact names, and give their number.
    """
    removed = remove_unnamed_contents(
        library.registry, library.store, grace_period=grace_period
    )
    async with aclosing(removed):
        return sum([count async for count in removed])


async def contents_of(library: ArtifactLibrary) -> int:
    """
    Count the contents.
    """
    return len(await library.store.list_checksums())


async def test_what_is_saved_can_be_read(library: ArtifactLibrary) -> None:
    """
    Whole or in pieces, by the artifact's id.
    """
    artifact = await library.save(
        in_pieces([b"he", b"llo"]),
        key="a/greeting.txt",
        session_id="ses_1",
        run_id="run_1",
        content_type="text/plain",
        metadata={"draft": True},
    )

    assert await library.read(artifact.id) == b"hello"
    async with aclosing(library.stream(artifact.id)) as pieces:
        assert b"".join([piece async for piece in pieces]) == b"hello"
    assert await library.registry.get_by_key("a/greeting.txt") == artifact
    assert artifact.checksum_sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (artifact.byte_size, artifact.run_id) == (5, "run_1")
    assert (artifact.content_type, artifact.metadata) == ("text/plain", {"draft": True})


async def test_without_a_key_the_id_is_the_key(library: ArtifactLibrary) -> None:
    """
    So that two artifacts of one content are two.
    """
    first, second = [await library.save(b"hello") for _ in range(2)]

    assert first.key == first.id != second.id
    assert await contents_of(library) == 1


async def test_saving_again_under_a_key_is_safe(library: ArtifactLibrary) -> None:
    """
    The same content gives the stored artifact, other content is refused.
    """
    first = await library.save(b"hello", key="greeting", session_id="ses_1")

    assert await library.save(b"hello", key="greeting", session_id="ses_1") == first
    with pytest.raises(ArtifactConflictError):
        await library.save(b"other", key="greeting", session_id="ses_1")
    assert await library.read(first.id) == b"hello"


async def test_a_wrong_argument_puts_nothing(library: ArtifactLibrary) -> None:
    """
    It is found before the content is looked at.
    """
    some_wrong: list[dict[str, Any]] = [
        {"key": ""},
        {"session_id": "a\0"},
        {"metadata": {"a": b""}},
    ]
    for wrong in some_wrong:
        with pytest.raises(ValidationError):
            await library.save(b"hello", **wrong)

    assert await contents_of(library) == 0


async def test_what_was_put_for_nothing_is_cleaned(library: ArtifactLibrary) -> None:
    """
    As after a crash before the registration; what is named stays.
    """
    kept = await library.save(b"kept", session_id="ses_1")
    deleted = await library.save(b"deleted", session_id="ses_1")
    await library.registry.soft_delete(deleted.id)
    with pytest.raises(SessionNotFoundError):
        await library.save(b"hello", session_id="ses_2")
    assert await contents_of(library) == 3

    assert await clean(library, timedelta(hours=1)) == 0
    assert await clean(library, AT_ONCE) == 1
    assert await library.read(kept.id) == b"kept"
    assert await library.read(deleted.id) == b"deleted"
    assert await clean(library, AT_ONCE) == 0


async def test_contents_go_after_their_last_artifact(
    library: ArtifactLibrary, store: SessionStore
) -> None:
    """
    A content that another artifact names as well stays.
    """
    await library.save(b"shared", session_id="ses_1")
    await library.save(b"own", session_id="ses_1")
    other = await library.save(b"shared")
    await store.delete_session("ses_1")

    assert await clean(library, AT_ONCE) == 1
    assert await library.read(other.id) == b"shared"


async def test_many_contents_are_cleaned_page_by_page(
    library: ArtifactLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Those that stay are not looked at twice.
    """
    monkeypatch.setattr("asm_async.artifacts.unnamed_contents.MAX_CHECKSUMS", 4)
    kept = [await library.save(b"kept %d" % number) for number in range(9)]
    for number in range(9):
        await library.store.put(b"put %d" % number)

    assert await clean(library, AT_ONCE) == 9
    assert await contents_of(library) == 9
    for number, artifact in enumerate(kept):
        assert await library.read(artifact.id) == b"kept %d" % number


async def test_a_content_that_is_put_while_others_are_cleaned_stays(
    library: ArtifactLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Also if it was found to be unnamed just before.
    """
    await library.store.put(b"hello")
    ask, saved = library.registry.named_checksums, list[Artifact]()

    async def ask_and_be_late(checksums: list[str]) -> set[str]:
        named = await ask(checksums)
        saved.append(await library.save(b"hello"))
        return named

    monkeypatch.setattr(library.registry, "named_checksums", ask_and_be_late)

    assert await clean(library, AT_ONCE) == 0
    assert await library.read(saved[0].id) == b"hello"


async def test_a_content_that_is_gone_is_damage(library: ArtifactLibrary) -> None:
    """
    The artifact stays, so that the loss can be seen.
    """
    artifact = await library.save(b"hello")
    await library.store.delete(artifact.checksum_sha256)

    with pytest.raises(ArtifactDamagedError, match=artifact.id) as caught:
        await library.read(artifact.id)
    assert isinstance(caught.value.__cause__, ArtifactNotFoundError)
    assert await library.registry.get(artifact.id) == artifact
    with pytest.raises(ArtifactNotFoundError):
        await library.read("art_9")


@pytest.mark.parametrize("period", [-timedelta(microseconds=1), 60, None])
async def test_a_wrong_grace_period_is_refused(
    library: ArtifactLibrary, period: timedelta
) -> None:
    """
    It is a time, and not negative.
    """
    await library.store.put(b"hello")
    with pytest.raises(ValidationError, match=r"^grace_period: "):
        await clean(library, period)

    assert await contents_of(library) == 1
