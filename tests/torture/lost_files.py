"""
An SQLite file, or its directory, is moved away under a store that writes, and back.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.fault.troubled_writing import troubled_writing
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.sqlite_ends import judged, new_database

__all__ = ["CAMPAIGN"]


async def run(setting: Setting) -> Tally:
    """
    Lose files again and again: nothing is acknowledged that went nowhere.
    """
    path = setting.directory / "place" / "asm.sqlite3"
    url = await new_database(path)
    history = setting.directory / "writers.jsonl"
    faults = 0
    async with troubled_writing(url, history, setting.random) as writing:
        for _ in setting.each_fault():
            await writing.succeed()
            with _elsewhere(setting.random.choice([path, path.parent])):
                await writing.fail()
            await writing.succeed()
            faults += 1
    return await judged(url, [history], faults=faults)


@contextmanager
def _elsewhere(path: Path) -> Generator[None]:
    """
    Move a file or directory away, and bring it back.
    """
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    try:
        yield
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        elsewhere.replace(path)


CAMPAIGN = Campaign(
    name="lost_files",
    title="Database file or directory moved away",
    run=run,
    databases=("sqlite",),
    faults=200,
)
