"""
Four processes record runs, one after the other is killed, and four recover at once.
"""

from __future__ import annotations

import signal

from asm_async import open_ports, open_store
from asm_async.testing.factories import make_session
from asm_async.testing.history import HistoryWriter, RecordingSessionStore
from tests.fault.mixed_writing import SESSIONS
from tests.fault.recorded_runs import INTERRUPTED, check_runs, ended_by_recoveries
from tests.fault.writing_processes import WritingProcesses, writing_processes
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.deadlines import in_time
from tests.torture.killed_processes import PROCESSES, kill_in_turn
from tests.torture.tallies import judged

__all__ = ["CAMPAIGN"]

_TASKS = 3

# One that has failed by itself says nothing any more.
_LONGEST_SILENCE = 60


async def run(setting: Setting) -> Tally:
    """
    Kill recorders at random moments; every run is ended once, and keeps its steps.
    """
    async with migrated_database(setting) as url:
        before = setting.directory / "before.jsonl"
        async with open_store(url) as store:
            with HistoryWriter(before) as history:
                recording = RecordingSessionStore(store, history)
                for session_id in SESSIONS:
                    await recording.save_session(make_session(id=session_id))
        async with writing_processes(url, setting.directory) as processes:
            faults = await _kill(processes, setting)
            setting.tell("recover")
            await _recover(processes)
        others = set(processes.statuses) - {0, int(signal.SIGKILL)}
        assert not others, f"processes have ended by themselves: {others}"
        setting.tell("check what is left")
        recovered = ended_by_recoveries(setting.directory)
        async with open_ports(url) as ports:
            found = await check_runs(ports.store, ports.state, SESSIONS, recovered)
        assert found[INTERRUPTED], f"nobody was killed within a run: {found}"
        setting.tell(f"runs by how they ended: {dict(found)}")
        left = [path for path in processes.histories if path.exists()]
        return await judged(url, [before, *left], faults=faults)


async def _kill(processes: WritingProcesses, setting: Setting) -> int:
    """
    Kill a recorder, again and again, and all of them in the end; return how many.
    """

    def order(name: str, _: str | None) -> None:
        processes.order(
            name,
            kind="runs",
            seed=setting.random.getrandbits(32),
            tasks=_TASKS,
            calls=0,
            sessions=SESSIONS,
        )

    async def wait(name: str) -> None:
        await in_time(processes.hear(1, of=name), seconds=_LONGEST_SILENCE)

    return await kill_in_turn(processes, setting, order=order, wait=wait)


async def _recover(processes: WritingProcesses) -> None:
    """
    Have several processes end the runs of the dead at the same time.
    """
    for place in range(PROCESSES):
        processes.order(
            f"recovery-{place}", kind="recovery", tasks=0, calls=0, sessions=SESSIONS
        )
    await in_time(processes.finish(), seconds=_LONGEST_SILENCE)


CAMPAIGN = Campaign(
    name="killed_recorders",
    title="Recorders of runs killed with `kill -9`",
    run=run,
    faults=200,
)
