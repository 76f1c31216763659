"""
The way to PostgreSQL is cut around the statements that make a write last.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from asm_async.ports.session_store import SessionStore
from asm_async.testing.faults import Moment, ProxyAct, ProxyFault, TCPProxy
from asm_async.testing.history import Call, read_history
from tests.fault.mixed_writing import SESSIONS, MixedWriter
from tests.proxies import by_way, way_to
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.deadlines import in_time
from tests.torture.writers import Ledger, writing

__all__ = ["CAMPAIGN"]

_RECOVERY_SECONDS = 60
_MAX_AT_ONCE = 4

# A transaction ends with the one; new events alone are one statement, which commits
# itself and has their ids among its parameters.
_MARKERS = (b"COMMIT;", b"evt_")

# No more than a message has.
_FEW_BYTES = 5

_NAME = "by-the-way"


async def run(setting: Setting) -> Tally:
    """
    Lose COMMITs, their answers, or parts of them; nothing is lost, or stored twice.

    Others write to the same sessions meanwhile, by a way of their own.
    """
    random, ledger, times = setting.random, Ledger(setting.directory), list[int]()
    async with migrated_database(setting) as url:
        await ledger.save_all(url)
        async with (
            writing(ledger, url, random),
            way_to(url) as way,
            ledger.open_store(_NAME, by_way(way, url)) as store,
        ):
            writers = _writers(store, random)
            for _ in setting.each_fault():
                cut = _cut(way, writers, random)
                times.append(await in_time(cut, seconds=_RECOVERY_SECONDS))
        setting.tell("check what is left")
        tally = await ledger.judged(url, faults=len(times))
    calls = read_history(setting.directory / f"{_NAME}.jsonl")
    setting.tell(f"cut at {_kinds(calls, times)}")
    return tally


def _writers(store: SessionStore, random: Random) -> list[MixedWriter]:
    return [
        MixedWriter(store, f"{_NAME}-{place}", SESSIONS, Random(random.getrandbits(32)))
        for place in range(_MAX_AT_ONCE)
    ]


async def _cut(way: TCPProxy, writers: Sequence[MixedWriter], random: Random) -> int:
    """
    Let some write at once until the way is cut at a message; tell when that was.
    """
    fault = way.arm(
        random.choice([ProxyAct.CUT, ProxyAct.HALF_CLOSE]),
        random.choice(_MARKERS),
        moment=random.choice([*Moment]),
        after_bytes=random.choice([0, random.randint(1, _FEW_BYTES)]),
    )
    moment = asyncio.ensure_future(_moment_of(fault))
    try:
        while not moment.done():
            at_once = random.sample(writers, random.randint(1, len(writers)))
            await asyncio.gather(*(writer.do_one() for writer in at_once))
        return moment.result()
    finally:
        moment.cancel()


async def _moment_of(fault: ProxyFault) -> int:
    await fault.happened.wait()
    return time.monotonic_ns()


def _kinds(calls: Iterable[Call], times: Iterable[int]) -> dict[str, int]:
    """
    Count what was under way when the way was cut.
    """
    moments = sorted(times)
    kinds = Counter[str]()
    for call in calls:
        first = bisect_left(moments, call.start)
        if first < len(moments) and moments[first] <= (call.end or moments[first]):
            expectation = {"expected_sequence", "expected_revision"} & {*call.arguments}
            kinds[" with ".join([call.operation, *expectation])] += 1
    return dict(kinds.most_common())


CAMPAIGN = Campaign(
    name="cut_commits",
    title="Connection cut around COMMIT",
    run=run,
    databases=("postgresql",),
    faults=500,
)
