"""
What else is written to a disk, when that is full: contents of artifacts, and exports.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

import asm_async
from asm_async import open_store
from asm_async.errors import StorageError
from asm_async.files import LocalArtifactStore
from asm_async.testing.factories import make_events, make_session
from tests.artifact_stores import files_in, open_files

CONTENT = b"0123456789" * 300_000
MAX_BYTES = 1 << 20


@contextmanager
def quota(most_bytes: int) -> Generator[None]:
    """
    Let no file become larger than that, meanwhile.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_content_for_which_there_is_no_room_leaves_nothing(
    tmp_path: Path,
) -> None:
    """
    The error is no one's but ours; with room again, the same store keeps it.
    """
    store = LocalArtifactStore(tmp_path / "artifacts")
    kept = await store.put(b"small")
    with quota(MAX_BYTES), pytest.raises(StorageError) as caught:
        await store.put(CONTENT)

    assert type(caught.value) is StorageError
    assert isinstance(caught.value.__cause__, OSError)
    assert await store.list_checksums() == [kept.checksum_sha256]
    assert len(files_in(store.directory)) == 1
    assert open_files(store.directory) == []
    stored = await store.put(CONTENT)
    assert await store.get(stored.checksum_sha256) == CONTENT


async def test_an_export_for_which_there_is_no_room_leaves_no_half_file(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    """
    The command says why and fails; what was there before under that name stays.
    """
    async with open_store(migrated_sqlite_url) as store:
        await store.save_session(make_session())
        for first in range(1, 60):
            events = make_events(
                2, first=2 * first, data={"content": os.urandom(20_000).hex()}
            )
            await store.append_events(events)
    place = tmp_path / "exports"
    place.mkdir()
    output = place / "all.jsonl"
    output.write_text("as before")
    for target in (output, Path("/dev/full")):
        status, told = await export(migrated_sqlite_url, target)

        assert status == 1
        assert told.startswith("error: ")
        assert "Traceback" not in told
    assert [path.name for path in place.iterdir()] == ["all.jsonl"]
    assert output.read_text() == "as before"


async def export(url: str, output: Path) -> tuple[int | None, str]:
    """
    Export within a quota; give the exit status and what was said.
    """
    # A process takes its bounds from the one that starts it.
    with quota(MAX_BYTES):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asm_async", "export"),
            *("--url", url, "--output", output),
            env={**os.environ, "PYTHONPATH": str(Path(asm_async.__file__).parents[1])},
            stderr=asyncio.subprocess.PIPE,
        )
    _, told = await process.communicate()
    return process.returncode, told.decode()
