"""
A durable PostgreSQL server crashes, or is stopped, again and again under load.
"""

from __future__ import annotations

import asyncio

from asm_async.sql import create_engine
from tests.backends import migrate
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import exported_if_wrong, postgres_server
from tests.torture.deadlines import in_time
from tests.torture.writers import Ledger, writing

__all__ = ["CAMPAIGN"]

_RECOVERY_SECONDS = 60

_LONGEST_WORK = 0.1
_LONGEST_OUTAGE = 0.3


async def run(setting: Setting) -> Tally:
    """
    Crash the server; every writer goes on with the store it has, and nothing is lost.
    """
    random, ledger, faults = setting.random, Ledger(setting.directory), 0
    async with (
        postgres_server(is_durable=True) as server,
        exported_if_wrong(server.url, setting),
    ):
        await migrate(create_engine(server.url))
        await ledger.save_all(server.url)
        async with writing(ledger, server.url, random) as writers:
            for number in setting.each_fault():
                await writers.wait_for(random.randint(1, 20))
                await asyncio.sleep(random.uniform(0, _LONGEST_WORK))
                await asyncio.to_thread(server.stop if number % 2 else server.kill)
                await asyncio.sleep(random.uniform(0, _LONGEST_OUTAGE))
                await asyncio.to_thread(server.start)
                await in_time(writers.wait_for_each(), seconds=_RECOVERY_SECONDS)
                faults += 1
        setting.tell("check what is left")
        return await ledger.judged(server.url, faults=faults)


CAMPAIGN = Campaign(
    name="crashed_servers",
    title="PostgreSQL crashed or stopped",
    run=run,
    databases=("postgresql",),
    faults=50,
)
