"""
The short form of the campaign of bad input.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.torture import bad_input
from tests.torture.campaign import Setting


async def test_bad_input_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The tally counts what was refused and what was taken; nothing is unknown.
    """
    monkeypatch.setattr(bad_input, "_SIZES", (0, 1_000))
    setting = Setting(
        database="sqlite",
        faults=40,
        random=random.Random(random.getrandbits(32)),
        directory=tmp_path,
        tell=lambda _: None,
    )

    tally = await bad_input.CAMPAIGN.run(setting)

    assert tally.faults == tally.refused + tally.acknowledged
    assert tally.refused >= 300
    assert tally.unknown == 0
