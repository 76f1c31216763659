"""
Connections are ended at random by PostgreSQL itself.
"""

from __future__ import annotations

import asyncio
from random import Random

import asyncpg

from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.deadlines import in_time
from tests.torture.writers import Ledger, writing

__all__ = ["CAMPAIGN"]

_RECOVERY = 60
_LONGEST_WORK = 0.05

_PIDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)

_TERMINATE = "SELECT pg_terminate_backend($1)"

# Most connections are idle at most times, and are seldom missed.
_BUSY_PIDS = f"{_PIDS} AND state <> 'idle'"


async def run(setting: Setting) -> Tally:
    """
    Terminate backends; whoever had one goes on with another, and nothing is lost.
    """
    random, ledger, faults = setting.random, Ledger(setting.directory), 0
    async with migrated_database(setting) as url:
        await ledger.save_all(url)
        admin = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            async with writing(ledger, url, random) as writers:
                for _ in setting.each_fault():
                    await asyncio.sleep(random.uniform(0, _LONGEST_WORK))
                    await in_time(_terminate_one(admin, random), seconds=_RECOVERY)
                    faults += 1
                    some = writers.wait_for(random.randint(1, 10))
                    await in_time(some, seconds=_RECOVERY)
                await in_time(writers.wait_for_each(), seconds=_RECOVERY)
        finally:
            await admin.close()
        setting.tell("check what is left")
        return await ledger.judged(url, faults=faults)


async def _terminate_one(admin: asyncpg.Connection, random: Random) -> None:
    """
    End one of the connections, half of the time one at work.
    """
    is_ended = False
    while not is_ended:
        busy = await admin.fetch(_BUSY_PIDS) if random.random() < 0.5 else []
        if pids := sorted(row["pid"] for row in busy or await admin.fetch(_PIDS)):
            # It may have ended by itself meanwhile.
            is_ended = await admin.fetchval(_TERMINATE, random.choice(pids))


CAMPAIGN = Campaign(
    name="terminated_backends",
    title="Backends terminated",
    run=run,
    databases=("postgresql",),
    faults=500,
)
