"""
Tasks that record runs are cancelled, once or twice, at any of their awaits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Any

from asm_async import Ports, open_ports
from asm_async.testing.factories import make_session
from asm_async.testing.faults import Moment, act_at, count_awaits
from asm_async.values.run import RunStatus
from tests.fault.recorded_runs import check_runs, record_one
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.deadlines import in_time

__all__ = ["CAMPAIGN"]

_LONGEST_END = 60

# Within it a recorder that was cancelled is still ending its run.
_LONGEST_RESPITE = 0.003


async def run(setting: Setting) -> Tally:
    """
    Cancel recorders; when the task has ended, so has its run, with its event.
    """
    faults, found, told = 0, Counter[str](), Counter[str]()
    async with migrated_database(setting) as url, open_ports(url) as ports:
        recorder = _Recorder(ports, told)
        awaits = await count_awaits(await recorder.begin("counted"))
        for number in setting.each_fault():
            recording = await recorder.begin(str(number))
            place = setting.random.randint(1, awaits)
            struck = _struck(recording, place, setting.random)
            was_cancelled = await in_time(struck, seconds=_LONGEST_END)
            found[await recorder.what_is_left(str(number), was_cancelled)] += 1
            faults += 1
        await recorder.check_all()
    setting.tell(f"runs by how they ended: {dict(found)}")
    return Tally(
        faults=faults,
        acknowledged=told["steps"],
        refused=found["none"],
        unknown=found[RunStatus.CANCELLED],
    )


class _Recorder:
    """
    Records runs, each of a session of its own.
    """

    def __init__(self, ports: Ports, told: Counter[str]) -> None:
        self._ports = ports
        self._told = told
        self._session_ids: list[str] = []

    async def begin(self, name: str) -> Coroutine[Any, Any, None]:
        """
        Save a session, and return what records a run of it.
        """
        session_id = f"ses_{name}"
        await self._ports.store.save_session(make_session(id=session_id))
        self._session_ids.append(session_id)
        return record_one(
            self._ports.store,
            session_id,
            f"run_{name}",
            lambda: self._told.update(["steps"]),
        )

    async def what_is_left(self, name: str, was_cancelled: bool) -> str:  # noqa: FBT001 - what _struck returns
        """
        Assert that a run has its end by now, and return which; "none" without a run.
        """
        session_ids = [f"ses_{name}"]
        found = await check_runs(self._ports.store, self._ports.state, session_ids)
        (status,) = found or ("none",)
        allowed: set[str] = {RunStatus.COMPLETED}
        if was_cancelled:
            allowed |= {RunStatus.CANCELLED, "none"}
        assert status in allowed, f"a run was left {status}"
        return status

    async def check_all(self) -> None:
        """
        Assert that nothing came later.
        """
        await check_runs(self._ports.store, self._ports.state, self._session_ids)


async def _struck(
    recording: Coroutine[Any, Any, None], place: int, random: Random
) -> bool:
    """
    Run what records, cancel it at one of its awaits, and return whether it was.
    """
    loop = asyncio.get_running_loop()
    second = random.choice([None, random.uniform(0, _LONGEST_RESPITE)])

    def strike() -> None:
        task.cancel()
        if second is not None:
            loop.call_later(second, task.cancel)

    moment = random.choice([Moment.AFTER_SEND, Moment.BEFORE_ANSWER])
    task = loop.create_task(act_at(place, recording, strike, moment))
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return task.cancelled()


CAMPAIGN = Campaign(
    name="cancelled_recorders",
    title="Recorders of runs cancelled",
    run=run,
    faults=3_000,
)
