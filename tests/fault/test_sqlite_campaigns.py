"""
The short forms of the campaigns against SQLite files; none of them needs root.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.torture import (
    damaged_files,
    foreign_locks,
    full_disks,
    killed_checkpoints,
    lost_files,
)
from tests.torture.campaign import Setting, Tally

Run: TypeAlias = Callable[[Setting], Awaitable[Tally]]

CAMPAIGNS: dict[str, tuple[Run, int]] = {
    "killed_checkpoints": (killed_checkpoints.CAMPAIGN.run, 5),
    "full_disks": (full_disks.run_within_quota, 2),
    "lost_files": (lost_files.CAMPAIGN.run, 6),
    "foreign_locks": (foreign_locks.CAMPAIGN.run, 4),
    "damaged_files": (damaged_files.CAMPAIGN.run, 6),
}


@pytest.mark.parametrize("name", CAMPAIGNS)
async def test_nothing_that_happens_to_a_file_loses_what_was_acknowledged(
    name: str, tmp_path: Path
) -> None:
    """
    Errors of ours while it lasts; afterwards the store goes on as it stands.
    """
    run, faults = CAMPAIGNS[name]
    setting = Setting(
        database="sqlite",
        faults=faults,
        random=random.Random(random.getrandbits(32)),
        directory=tmp_path,
        tell=lambda _: None,
    )
    tally = await run(setting)

    assert tally.faults == faults
    assert tally.acknowledged >= faults
