"""
What is peculiar to contents in files.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

import asm_async
from asm_async.errors import (
    ArtifactDamagedError,
    StorageBusyError,
    StorageError,
    ValidationError,
)
from asm_async.files import LocalArtifactStore, content_directory
from asm_async.files.content_directory import ContentDirectory, TemporaryFile
from asm_async.files.directories import try_to_lock
from tests.artifact_stores import files_in, open_files

HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """
    Return the path of a directory that is not there yet.
    """
    return tmp_path / "some" / "artifacts"


@pytest.fixture
def store(directory: Path) -> LocalArtifactStore:
    """
    Return a store on the directory whose timeout runs out soon.
    """
    return LocalArtifactStore(directory, timeout=0.5)


def modes_in(directory: Path) -> dict[str, int]:
    """
    Return the permissions of a directory and of all that is in it.
    """
    return {
        path.relative_to(directory).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (directory, *directory.rglob("*"))
    }


async def test_directories_and_files_are_for_their_owner_alone(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    Whatever the process lets others do with what it makes.
    """
    before = os.umask(0)
    try:
        put = await store.put(b"hello")
    finally:
        os.umask(before)

    assert put.storage_ref == f"2c/{HELLO}"
    assert modes_in(directory) == {
        ".": 0o700,
        "2c": 0o700,
        f"2c/{HELLO}": 0o600,
        "tmp": 0o700,
    }


async def test_nothing_is_made_before_the_first_put(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    A store that is only read leaves no trace.
    """
    assert await store.list_checksums() == []
    assert await store.delete(HELLO) is False
    assert await store.remove_leftovers() == 0
    assert not directory.parent.exists()


async def test_a_relative_directory_is_where_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Though the process goes elsewhere later.
    """
    monkeypatch.chdir(tmp_path)
    store = LocalArtifactStore("here")
    monkeypatch.chdir("/")
    await store.put(b"hello")

    assert files_in(tmp_path / "here") == [tmp_path / "here" / "2c" / HELLO]


async def test_a_link_in_the_place_of_a_content_is_not_followed(
    store: LocalArtifactStore, directory: Path, tmp_path: Path
) -> None:
    """
    It is damage; a put replaces the link and leaves alone what it leads to.
    """
    target = tmp_path / "target"
    target.write_bytes(b"hello")
    path = directory / "2c" / HELLO
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(ArtifactDamagedError, match="is not a regular file"):
        await store.get(HELLO)
    await store.put(b"hello")

    assert not path.is_symlink()
    assert await store.get(HELLO) == b"hello"
    assert await store.delete(HELLO) is True
    assert target.read_bytes() == b"hello"


@pytest.mark.parametrize("name", ["2c", "tmp"])
async def test_a_link_in_the_place_of_a_directory_is_not_followed(
    store: LocalArtifactStore, directory: Path, tmp_path: Path, name: str
) -> None:
    """
    Nothing is written where it leads to.
    """
    target = tmp_path / "target"
    target.mkdir()
    path = directory / name
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(StorageError):
        await store.put(b"hello")

    assert list(target.iterdir()) == []


async def test_a_pipe_in_the_place_of_a_content_is_damage(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    And nobody waits for its other end.
    """
    path = directory / "2c" / HELLO
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    async with asyncio.timeout(10):
        with pytest.raises(ArtifactDamagedError, match="is not a regular file"):
            await store.get(HELLO)
        await store.put(b"hello")

    assert await store.get(HELLO) == b"hello"
    assert open_files(directory) == []


async def test_what_is_not_ours_is_not_listed(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    Files of other names, or in other places, are no contents.
    """
    await store.put(b"hello")
    (directory / "README").touch()
    (directory / "2c" / "note").touch()
    (directory / "2c" / ("0" * 64)).touch()
    (directory / "xx").mkdir()

    assert await store.list_checksums() == [HELLO]


async def test_a_file_where_the_directory_should_be_is_an_error(
    tmp_path: Path,
) -> None:
    """
    One that does not pass by itself.
    """
    (tmp_path / "file").touch()
    store = LocalArtifactStore(tmp_path / "file")
    with pytest.raises(StorageError) as caught:
        await store.put(b"hello")

    assert type(caught.value) is StorageError
    assert isinstance(caught.value.__cause__, OSError)
    assert not caught.value.retryable


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "1"])
def test_timeout_is_a_time_in_seconds(tmp_path: Path, timeout: float) -> None:
    """
    Anything else is refused.
    """
    with pytest.raises(ValidationError, match=r"^timeout: "):
        LocalArtifactStore(tmp_path, timeout=timeout)


async def test_leftovers_of_others_are_removed_at_the_first_put(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    But not what another store is still writing.
    """
    (directory / "tmp").mkdir(parents=True)
    (directory / "tmp" / "left").write_bytes(b"he")
    writing = TemporaryFile(ContentDirectory(directory, 1.0))
    writing.open()
    writing.write(b"hello")
    await store.put(b"other")

    assert [path.read_bytes() for path in files_in(directory / "tmp")] == [b"hello"]
    assert await store.remove_leftovers() == 0
    writing.keep()
    writing.discard()
    assert await store.get(HELLO) == b"hello"
    assert files_in(directory / "tmp") == []


def test_a_file_is_not_cleaned_away_before_it_is_locked(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Cleaning waits until a file that is being made can be told from a left one.
    """
    contents, tried = ContentDirectory(directory, 0.05), list[int]()

    def clean_first(descriptor: int) -> bool:
        if not tried:
            tried.append(descriptor)
            with pytest.raises(StorageBusyError):
                contents.remove_leftovers()
        return try_to_lock(descriptor)

    monkeypatch.setattr(content_directory, "try_to_lock", clean_first)
    writing = TemporaryFile(contents)
    writing.open()
    writing.write(b"hello")
    assert contents.remove_leftovers() == 0
    writing.keep()
    writing.discard()

    assert len(tried) == 1
    assert files_in(directory) == [directory / "2c" / HELLO]
    assert open_files(directory) == []


async def test_a_lock_that_stays_taken_is_an_error(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    After the store's timeout, with nothing left behind; then it goes on.
    """
    await store.put(b"hello")
    root = os.open(directory, os.O_RDONLY)
    fcntl.flock(root, fcntl.LOCK_EX)
    for call in (store.put(b"hello"), store.delete(HELLO)):
        with pytest.raises(StorageBusyError) as caught:
            await call
        assert caught.value.retryable
    os.close(root)

    assert files_in(directory) == [directory / "2c" / HELLO]
    assert await store.delete(HELLO) is True


FULL_DISK = """
    import asyncio, resource, sys
    from asm_async.errors import StorageError
    from asm_async.files import LocalArtifactStore

    async def pieces():
        for _ in range(8):
            yield b"x" * 2**20

    async def main():
        store = LocalArtifactStore(sys.argv[1])
        for content in (b"y" * 2**22, pieces()):
            try:
                await store.put(content)
            except StorageError as error:
                assert type(error) is StorageError
                assert not error.retryable and not error.outcome_unknown
            else:
                raise AssertionError("it fitted")

    resource.setrlimit(resource.RLIMIT_FSIZE, (2**21 + 5, 2**21 + 5))
    asyncio.run(main())
"""


def test_what_does_not_fit_is_an_error_and_leaves_nothing(directory: Path) -> None:
    """
    A plain StorageError, since trying again does not help.
    """
    root = Path(asm_async.__file__).parents[1]
    subprocess.run(  # noqa: S603 - this Python, with the text above
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), directory],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
        timeout=60,
    )

    assert files_in(directory) == []


async def test_pieces_are_not_gathered_in_memory(store: LocalArtifactStore) -> None:
    """
    64 MiB are put and streamed in less than 8.
    """

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(64 * 16):
            yield bytes([number % 256]) * 2**16

    tracemalloc.start()
    try:
        put = await store.put(pieces())
        size = 0
        async with aclosing(store.stream(put.checksum_sha256)) as stream:
            async for piece in stream:
                size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == put.byte_size == 2**26
    assert peak < 2**23


@pytest.mark.parametrize("is_there_already", [True, False])
async def test_what_is_acknowledged_was_synced(
    store: LocalArtifactStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_there_already: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    """
    First the file, then its name in the directory, then the directory's own name.
    """
    if is_there_already:
        await store.put(b"hello")
    calls: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        path = Path(f"/dev/fd/{descriptor}").resolve()
        calls.append(path.relative_to(tmp_path).as_posix())
        sync(descriptor)

    def replaced(*args: Any, **kwargs: Any) -> None:
        calls.append("replace")
        replace(*args, **kwargs)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    await store.put(b"hello")
    if is_there_already:
        file = f"some/artifacts/2c/{HELLO}"
        assert calls == [file, "some/artifacts/2c", "some/artifacts"]
    else:
        [temporary] = [call for call in calls if "/tmp/" in call]  # noqa: S108 - ours
        after = ["replace", "some/artifacts/2c", "some/artifacts"]
        assert calls == [".", "some", temporary, *after]


async def test_only_what_was_read_is_made_young(
    store: LocalArtifactStore, directory: Path
) -> None:
    """
    A content that was deleted or replaced since then is put again.
    """
    await store.put(b"hello")
    contents = ContentDirectory(directory, 1.0)
    with ExitStack() as closing:
        opened = contents.open(HELLO, closing)
        assert contents.renew(HELLO, opened) is True
        await store.delete(HELLO)
        assert contents.renew(HELLO, opened) is False
        await store.put(b"hello")
        assert contents.renew(HELLO, opened) is False
