"""
Several processes write to one database.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import make_session
from asm_async.testing.history import Outcome, check_histories, read_history
from tests.fault.feed_order import check_feed
from tests.fault.writing_processes import WritingProcesses, writing_processes

SESSIONS = ["ses_1", "ses_2", "ses_3"]


async def open_sessions(engine: AsyncEngine) -> SQLSessionStore:
    """
    Return a store with the sessions that are written to.
    """
    store = SQLSessionStore(engine)
    for session_id in SESSIONS:
        await store.save_session(make_session(id=session_id))
    return store


def count_appends(processes: WritingProcesses) -> int:
    """
    Count the batches that writers were told are stored.
    """
    calls = [call for path in processes.histories for call in read_history(path)]
    return sum(call.outcome is Outcome.OK for call in calls)


async def test_processes_that_write_at_once_share_one_order(
    url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    """
    Eight processes of 32 tasks leave dense logs, every event once, each in its order.
    """
    store = await open_sessions(engine)
    async with writing_processes(url, tmp_path) as processes:
        for number in range(8):
            processes.order(f"writer-{number}", tasks=32, calls=4, sessions=SESSIONS)
        processes.go()
        await processes.finish()

    assert processes.statuses == [0] * 8
    assert count_appends(processes) == 8 * 32 * 4
    await check_histories(processes.histories, store)
    await check_feed(engine)
