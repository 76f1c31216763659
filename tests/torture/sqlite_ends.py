"""
What every campaign on an SQLite file begins and ends with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asm_async import open_store
from asm_async.sql import SQLMaintenance, create_engine
from asm_async.testing.history import check_histories
from tests.backends import migrate
from tests.fault.feed_order import check_feed
from tests.torture.campaign import Tally
from tests.torture.tallies import tally_of

__all__ = ["judged", "new_database", "url_of"]


def url_of(path: Path) -> str:
    """
    Return the URL of a file.
    """
    return f"sqlite+aiosqlite:///{path}"


async def new_database(path: Path) -> str:
    """
    Make a file that has our tables, in a directory of its own, and give its URL.
    """
    path.parent.mkdir()
    await migrate(create_engine(url_of(path)))
    return url_of(path)


async def judged(url: str, histories: Sequence[Path], *, faults: int) -> Tally:
    """
    Assert that the file is sound, and holds what the histories say.
    """
    async with open_store(url) as store:
        await check_histories(histories, store)
        assert await SQLMaintenance(store.engine).health_check() == []
        await check_feed(store.engine)
    return tally_of(histories, faults=faults)
