from __future__ import annotations

import asyncio
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asm_async import open_ports
from asm_async.integrations.claude_agent import AsmSessionStore
from asm_async.portal import Portal
from tests.frameworks.claude_agent.entries import KEY, folded, said, titled

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("appending_process.py")
ON_SERVERS_AND_FILES = pytest.mark.parametrize(
    "framework_url",
    ["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)],
    indirect=True,
)


async def start(url: str, writer: str, count: int) -> asyncio.subprocess.Process:
    """
    Start a process that appends so many batches.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, PROGRAM, url, writer, str(count)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )


async def check(url: str, acknowledged: dict[str, int]) -> list[str]:
    """
    Check what is stored against what each writer was told is, and return all uuids.
    """
    async with open_ports(url) as ports:
        store = AsmSessionStore(ports)
        loaded: Any = await store.load(KEY)
        (summary,) = await store.list_session_summaries(KEY["project_key"])
        (session,) = await ports.store.list_sessions()
        runs = await ports.store.list_runs(session.id)
    uuids: list[str] = [entry["uuid"] for entry in loaded]
    assert len(set(uuids)) == len(uuids)
    batches = [uuids[first : first + 3] for first in range(0, len(uuids), 3)]
    for batch in batches:
        name = batch[0].rpartition(".")[0]
        assert batch == [f"{name}.{place}" for place in range(3)]
    for writer, count in acknowledged.items():
        own = [batch[0] for batch in batches if batch[0].startswith(f"{writer}.")]
        assert own == [f"{writer}.{number}.0" for number in range(len(own))]
        assert count <= len(own) <= count + 1
    assert summary["data"] == folded(KEY, loaded)
    assert len(runs) == len(batches)
    return uuids


@ON_SERVERS_AND_FILES
async def test_processes_side_by_side_lose_no_entry_and_no_summary(
    framework_url: str,
) -> None:
    """
    Batches of several processes lie whole in commit order, and the summary knows all.
    """
    started = [await start(framework_url, f"{n}w", 15) for n in range(2)]
    for process in started:
        await process.communicate()
        assert process.returncode == 0

    uuids = await check(framework_url, {f"{n}w": 15 for n in range(2)})

    assert len(uuids) == 2 * 15 * 3


@ON_SERVERS_AND_FILES
async def test_killed_processes_leave_whole_batches(framework_url: str) -> None:
    """
    Whenever writers are killed, what they were told is stored is there, and no half.
    """
    chance = random.Random(7)
    acknowledged: dict[str, int] = {}
    for turn in range(3):
        writers = [f"{n}k{turn}" for n in range(2)]
        started = [await start(framework_url, writer, 1_000) for writer in writers]
        for writer, process in zip(writers, started, strict=True):
            assert process.stdout is not None
            lines = [await process.stdout.readline() for _ in range(2)]
            await asyncio.sleep(chance.uniform(0.0, 0.05))
            process.kill()
            rest = (await process.stdout.read()).split()
            await process.wait()
            acknowledged[writer] = len(lines) + len(rest)

        await check(framework_url, acknowledged)


def test_several_loops_share_a_transcript_through_a_portal(portal: Portal) -> None:
    """
    Stores in threads with event loops of their own write one transcript side by side.
    """

    async def write(writer: int) -> None:
        store = AsmSessionStore(portal.ports)
        for number in range(5):
            name = f"{writer}-{number}"
            await store.append(KEY, [titled(name, writer)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: asyncio.run(write(writer)), range(4)))

    async def read() -> tuple[Any, Any]:
        store = AsmSessionStore(portal.ports)
        project = KEY["project_key"]
        return await store.load(KEY), await store.list_session_summaries(project)

    loaded, (summary,) = asyncio.run(read())
    assert len(loaded) == 20
    assert summary["data"] == folded(KEY, loaded)


def test_a_store_from_a_url_outlives_its_first_loop(tmp_path: Path) -> None:
    """
    One made from a URL serves one event loop after the other, and then is closed.
    """
    store = AsmSessionStore.from_url(f"sqlite+aiosqlite:///{tmp_path}/chats.sqlite3")

    asyncio.run(store.append(KEY, [said("u", "x")]))
    assert asyncio.run(store.load(KEY)) == [said("u", "x")]
    asyncio.run(store.aclose())


async def test_ports_that_were_handed_in_stay_open(portal: Portal) -> None:
    """
    Closing a store closes nothing that the caller has opened.
    """
    store = AsmSessionStore(portal.ports)
    await store.append(KEY, [said("u", "x")])

    await store.aclose()

    assert len(await portal.ports.store.list_sessions()) == 1
