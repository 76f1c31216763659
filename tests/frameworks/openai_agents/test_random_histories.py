"""
Whatever is done to a session, it is as with the SDK's own.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from agents import SQLiteSession

from asm_async import Ports
from asm_async.integrations.openai_agents import history
from tests.frameworks.openai_agents.sdk_items import (
    CONVERSATION,
    UntypedSession,
    numbered,
)


@pytest.fixture
def theirs(tmp_path: Path) -> Generator[SQLiteSession]:
    """
    Yield a session of the SDK's own.
    """
    with closing(SQLiteSession("chat", tmp_path / "theirs.sqlite3")) as session:
        yield session


@pytest.mark.parametrize("seed", range(4))
async def test_every_history_is_as_with_the_sdks_own(
    ports: Ports, theirs: SQLiteSession, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Adding, popping, clearing, reading and compacting in any order have the same ends.
    """
    # Few enough that ranges are merged again and again.
    monkeypatch.setattr(history, "MAX_RANGES", 5)
    monkeypatch.setattr(history, "MIN_MERGED", 2)
    chance = random.Random(seed)
    ours = UntypedSession("chat", ports)
    for step in range(120):
        match chance.choice(["add"] * 4 + ["pop"] * 5 + ["read", "replace", "clear"]):
            case "add":
                items = numbered(chance.randrange(4), first=10 * step)
                items += chance.sample(CONVERSATION, chance.randrange(3))
                await ours.add_items(items)
                await theirs.add_items(items)
            case "pop":
                assert await ours.pop_item() == await theirs.pop_item()
            case "read":
                limit = chance.choice([None, -1, 0, 1, 2, 3, 100])
                assert await ours.get_items(limit) == await theirs.get_items(limit)
            case "replace":
                limit, output = chance.randrange(1, 6), numbered(2, first=10 * step)
                snapshots: list[Any] = [
                    await session._get_compaction_snapshot(limit)
                    for session in (ours, theirs)
                ]
                assert snapshots[0].items == snapshots[1].items
                assert snapshots[0].complete == snapshots[1].complete
                start = chance.randrange(limit)
                replaced = [await s.replace_suffix(start, output) for s in snapshots]
                assert replaced[0] == replaced[1]
            case _ if step % 3 == 0:
                await ours.clear_session()
                await theirs.clear_session()
            case _:
                pass
        assert await ours.get_items(4) == await theirs.get_items(4)

    assert await ours.get_items() == await theirs.get_items()
