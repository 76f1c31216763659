"""
Four processes do mixed work, and one after the other is killed and succeeded.
"""

from __future__ import annotations

import signal

from asm_async import open_store
from asm_async.testing.history import HistoryWriter, RecordingSessionStore
from tests.fault.mixed_writing import SESSIONS, save_all
from tests.fault.writing_processes import WritingProcesses, writing_processes
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.deadlines import in_time
from tests.torture.killed_processes import kill_in_turn
from tests.torture.tallies import judged

__all__ = ["CAMPAIGN"]

_TASKS = 4

# One that has failed by itself says nothing any more.
_LONGEST_SILENCE = 60

# The share of those that are killed before they have said a word.
_STILLBORN = 0.2


async def run(setting: Setting) -> Tally:
    """
    Kill writers at random moments; what they were told is there, and nothing else.
    """
    async with migrated_database(setting) as url:
        before = setting.directory / "before.jsonl"
        async with open_store(url) as store:
            with HistoryWriter(before) as history:
                await save_all(RecordingSessionStore(store, history), SESSIONS)
        async with writing_processes(url, setting.directory) as processes:
            faults = await _kill(processes, setting)
        setting.tell("check what is left")
        others = set(processes.statuses) - {int(signal.SIGKILL)}
        assert not others, f"writers have ended by themselves: {others}"
        # Who was killed before his first call has left none.
        left = [path for path in processes.histories if path.exists()]
        return await judged(url, [before, *left], faults=faults)


async def _kill(processes: WritingProcesses, setting: Setting) -> int:
    """
    Kill a writer, again and again, and all of them in the end; return how many.
    """

    def order(name: str, repeated: str | None) -> None:
        processes.order(
            name,
            kind="mixed",
            seed=setting.random.getrandbits(32),
            repeated=repeated,
            tasks=_TASKS,
            calls=0,
            sessions=SESSIONS,
        )

    async def wait(name: str) -> str | None:
        if setting.random.random() < _STILLBORN:
            await processes.hear_of(name)
            return None
        await in_time(processes.hear(1, of=name), seconds=_LONGEST_SILENCE)
        return setting.random.choice([None, name])

    faults = await kill_in_turn(processes, setting, order=order, wait=wait)
    await processes.finish()
    return faults


CAMPAIGN = Campaign(
    name="killed_writers",
    title="Writers killed with `kill -9`",
    run=run,
    faults=200,
)
