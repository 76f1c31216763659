"""
Processes that are killed at random moments, and what is stored afterwards.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from asm_async import open_ports
from asm_async.integrations.pydantic_ai import AsmConversationStore
from tests.frameworks.pydantic_ai.told_conversations import begin, damage, texts_of

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("PYDANTIC_AI_KILLS", "12"))


async def what_killed_ones_said(url: str) -> list[list[str]]:
    """
    Have processes work for a moment each, kill them, and return what they said.
    """
    command = [sys.executable, "-m", "tests.frameworks.pydantic_ai.killed_writer"]
    killer = await asyncio.create_subprocess_exec(
        *command,
        url,
        str(KILLS),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    heard, _ = await killer.communicate()
    assert killer.returncode == 0
    return [line.split("\t") for line in heard.decode().splitlines()]


async def test_what_was_acknowledged_survives_a_kill(framework_url: str | None) -> None:
    """
    After processes were killed all that they acknowledged is there, and whole.
    """
    if framework_url is None:
        # What a process has in memory does not survive it.
        return
    async with open_ports(framework_url) as ports:
        store = AsmConversationStore(ports)
        await begin(store, "shared", "0")
        said = await what_killed_ones_said(framework_url)

        saved = {each[1]: int(each[2]) for each in said if each[0] == "saved"}
        deleting = {each[1] for each in said if each[0] == "deletes"}
        deleted = {each[1] for each in said if each[0] == "deleted"}
        assert deleted
        for name, count in saved.items():
            loaded = await store.load(name)
            assert (loaded is None) >= (name in deleted)
            if loaded is None:
                assert name in deleting
                continue
            full = ["1", "a", "b", "c"] if "fork" in name else ["1", "2"]
            texts = texts_of(loaded.messages)
            assert texts == full[: len(texts)]
            assert len(texts) >= count
        shared = await store.load("shared")
        assert shared is not None
        added = {each[1] for each in said if each[0] == "added"}
        assert added <= set(texts_of(shared.messages))

        # The next deletion finishes what was broken off; then nothing is left over.
        for record in await store.list_conversations():
            await store.delete(record.conversation_id)
        assert not (await ports.query.search_sessions()).items
        assert await damage(ports) == []
