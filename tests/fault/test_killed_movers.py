"""
Processes that append large data and are killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

import asm_async
from asm_async.artifacts import large_data, remove_unnamed_contents
from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_session

PROGRAM = Path(__file__).with_name("killed_mover.py")
LARGE = "large " * 100


async def run(*arguments: str) -> int | None:
    """
    Run the program and return its exit status.
    """
    root = Path(asm_async.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, PROGRAM, *arguments),
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    return await process.wait()


@pytest.mark.parametrize("what", ["append", "begin"])
async def test_a_killed_append_leaves_its_event_whole_or_a_content_that_is_swept(
    url: str, tmp_path: Path, what: str
) -> None:
    """
    Killed between the put and the commit, or after it; afterwards it can be repeated.
    """
    contents = LocalArtifactStore(tmp_path / "contents")
    engine = create_engine(url)
    own = SQLPorts(engine)
    ports = large_data(own, contents=contents, above=100)
    if what == "append":
        await ports.store.save_session(make_session())
    arguments = (url, str(tmp_path / "contents"), what)

    async def sweep() -> int:
        sweeping = remove_unnamed_contents(
            own.artifacts, contents, grace_period=timedelta(0)
        )
        async with aclosing(sweeping):
            return sum([count async for count in sweeping])

    assert await run(*arguments, "put") == -signal.SIGKILL
    assert len(await contents.list_checksums()) == 1
    assert await ports.store.get_latest_sequence("ses_1") == 0
    assert len(await ports.store.list_sessions()) == (what == "append")
    assert await own.artifacts.list_by_session("ses_1") == []
    assert await sweep() == 1
    assert await contents.list_checksums() == []

    assert await run(*arguments, "committed") == -signal.SIGKILL
    assert await sweep() == 0
    before = await ports.store.get_events("ses_1")
    assert [event.data for event in before] == [{"content": LARGE}]
    assert await run(*arguments, "never") == 0
    assert await ports.store.get_events("ses_1") == before
    assert len(await own.artifacts.list_by_session("ses_1")) == 1
    await ports.aclose()
    await engine.dispose()
