"""
Processes that put contents and are killed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path

import pytest

import asm_async
from asm_async.files import LocalArtifactStore
from tests.artifact_stores import files_in

PROGRAM = Path(__file__).with_name("killed_putter.py")
CONTENT = b"0123456789" * 150_000
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


async def run(*args: str) -> int | None:
    """
    Run the program and give its exit status.
    """
    root = Path(asm_async.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, *args, env={**os.environ, "PYTHONPATH": str(root)}
    )
    return await process.wait()


def children_of(directory: Path) -> list[Path]:
    """
    Return the directories of the children, in the order in which they were killed.
    """
    return sorted(directory.iterdir(), key=lambda path: int(path.name))


@pytest.mark.parametrize("case", ["whole", "pieces", "again", "pieces again"])
async def test_a_killed_put_leaves_a_whole_content_or_none(
    tmp_path: Path, case: str
) -> None:
    """
    Killed before each call, or in the middle of a write; afterwards it can be repeated.
    """
    assert await run(str(tmp_path), case) == 0
    children = children_of(tmp_path)
    assert len(children) > 5
    left = 0
    for directory in children:
        store = LocalArtifactStore(directory)
        listed = await store.list_checksums()
        assert listed in ([], [CHECKSUM])
        assert listed == [CHECKSUM] or ("again" not in case and directory.is_dir())
        for checksum in listed:
            assert await store.get(checksum) == CONTENT
        temporary = files_in(directory / "tmp")
        assert await store.remove_leftovers() == len(temporary) <= 1
        left += len(temporary)
        assert (await store.put(CONTENT)).checksum_sha256 == CHECKSUM
        assert await store.get(CHECKSUM) == CONTENT
        assert len(files_in(directory)) == 1
    # What is there and whole is not written again.
    assert (left > 0) is (case != "again")
    assert await LocalArtifactStore(children[-1]).list_checksums() == [CHECKSUM]


async def test_a_killed_put_over_a_damaged_content_does_no_harm(tmp_path: Path) -> None:
    """
    The content is as damaged as before, or whole.
    """
    assert await run(str(tmp_path), "damaged") == 0
    for directory in children_of(tmp_path):
        [path] = files_in(directory / CHECKSUM[:2])
        assert path.read_bytes() in (b"damaged", CONTENT)
        store = LocalArtifactStore(directory)
        assert (await store.put(CONTENT)).checksum_sha256 == CHECKSUM
        assert await store.get(CHECKSUM) == CONTENT
        assert files_in(directory) == [path]
