"""
What histories and a database say when all is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asm_async import open_store
from asm_async.sql import SQLMaintenance
from asm_async.testing.history import Outcome, check_histories, read_history
from asm_async.values.maintenance import HealthIssueKind
from tests.fault.feed_order import check_feed
from tests.torture.campaign import Tally

__all__ = ["judged", "tally_of"]


async def judged(url: str, histories: Sequence[Path], *, faults: int) -> Tally:
    """
    Assert that a database is sound, and holds what the histories say.

    Nobody may write any more. A server that need not survive a crash is as good as any.
    """
    async with open_store(url) as store:
        await check_histories(histories, store)
        await check_feed(store.engine)
        issues = await SQLMaintenance(store.engine).health_check()
    damage = [i for i in issues if i.kind is not HealthIssueKind.WEAK_DURABILITY]
    assert not damage, f"the database is damaged: {damage}"
    return tally_of(histories, faults=faults)


def tally_of(histories: Sequence[Path], *, faults: int) -> Tally:
    """
    Count the outcomes of all calls but those that only read.
    """
    outcomes = Counter(
        call.outcome
        for path in histories
        for call in read_history(path)
        if not call.operation.startswith(("get_", "list_"))
    )
    return Tally(
        faults=faults,
        acknowledged=outcomes[Outcome.OK],
        refused=outcomes[Outcome.FAILED],
        unknown=outcomes[Outcome.UNKNOWN],
    )
