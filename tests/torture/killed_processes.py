"""
Processes that are killed at random moments, each of which another one succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.fault.writing_processes import WritingProcesses
from tests.torture.campaign import Setting

__all__ = ["PROCESSES", "kill_in_turn"]

PROCESSES = 4
"""
How many are at work at the same time.
"""

# Within it a process comes to any point of several calls.
_LONGEST_LIFE = 0.05


async def kill_in_turn(
    processes: WritingProcesses,
    setting: Setting,
    *,
    order: Callable[[str, str | None], None],
    wait: Callable[[str], Awaitable[str | None]],
) -> int:
    """
    Kill a process, again and again, and all of them in the end.

    Args:
        processes: Those that can be ordered.

        setting: How often, and by what chance.

        order: Orders one by its name; is given what its predecessor leaves to it.

        wait: Waits for the moment from which on one may be killed, and returns what it
            leaves to its successor, if anything.

    Returns:
        How many were killed before the end.
    """
    names: list[str] = []
    faults = 0

    def begin(place: int, left: str | None = None) -> None:
        name = f"process-{faults}-{place}"
        order(name, left)
        names[place : place + 1] = [name]

    for place in range(PROCESSES):
        begin(place)
    processes.go()
    for _ in setting.each_fault():
        place = setting.random.randrange(PROCESSES)
        name = names[place]
        left = await wait(name)
        await asyncio.sleep(setting.random.uniform(0, _LONGEST_LIFE))
        processes.kill(name)
        faults += 1
        begin(place, left)
    for name in names:
        await processes.hear_of(name)
        processes.kill(name)
    return faults
