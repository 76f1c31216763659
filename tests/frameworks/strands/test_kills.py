from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path

import pytest

from asm_async import open_ports
from asm_async.integrations.strands import AsmStorage
from asm_async.transcripts import read_transcript
from asm_async.values.maintenance import HealthIssueKind
from tests.frameworks.own_suites import ROOT
from tests.frameworks.strands.agents import LATEST, message, snapshot

WRITER = Path(__file__).with_name("killed_writer.py")
KILLS = 3
# What is in memory does not survive its process.
DATABASES = ["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)]


async def kill_a_writer(url: str, name: str) -> None:
    """
    Let a writer write some snapshots, and kill it in the middle of one.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, WRITER, url, name),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    chance = random.Random(name)
    await process.stdout.readexactly(chance.randint(4, 12))
    await asyncio.sleep(chance.random() * 0.02)
    process.kill()
    await process.wait()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("framework_url", DATABASES, indirect=True)
async def test_a_killed_writer_leaves_snapshot_and_log_in_step(
    framework_url: str,
) -> None:
    """
    Whenever a writer is killed, log and snapshot agree once the next write is done.
    """
    for name in map(str, range(KILLS)):
        await kill_a_writer(framework_url, name)
        async with open_ports(framework_url) as ports:
            storage, key = AsmStorage(ports), LATEST.format(name)
            members = json.loads(await storage.read(key) or b"")
            kept = members["data"]["messages"]
            said = [*kept, message("after")]
            await storage.write(key, snapshot(said))
            session_id = storage.asm_session_id(name)
            transcript = await read_transcript(ports.store, session_id)
            told = [each.content for each in transcript.messages]
            assert told == [each["content"][0]["text"] for each in said]
            issues = await ports.maintenance.health_check()
            # The tests' server trades its durability for speed.
            kinds = {issue.kind for issue in issues}
            assert kinds <= {HealthIssueKind.WEAK_DURABILITY}
