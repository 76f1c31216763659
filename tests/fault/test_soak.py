"""
The short form of the soak, and what would let it fail.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import attrs
import pytest

from tests.torture.campaign import Database, Setting
from tests.torture.soak import check, soak
from tests.torture.soak_figures import Figures, Sample, Window

SECONDS = 4


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def database(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """
    Return each kind of database in turn, PostgreSQL on the server of the tests.
    """
    if request.param == "postgresql":
        server_url = str(request.getfixturevalue("postgres_server_url"))
        monkeypatch.setenv("ASM_TEST_POSTGRES_URL", server_url)
    return cast("Database", request.param)


async def test_mixed_load_leaves_no_connection_behind(
    database: Database, tmp_path: Path
) -> None:
    """
    After some seconds of everything at once all is counted, and nothing is held.
    """
    setting = Setting(
        database=database,
        faults=SECONDS,
        random=random.Random(random.getrandbits(32)),
        directory=tmp_path,
        tell=lambda _: None,
    )
    figures, calls = await soak(setting)

    # A process that has just begun still grows.
    check(figures, most_growth=64)
    assert calls > 0
    assert {"append", "batch", "flush", "read", "retain", "save", "search"} == {
        window.kind for window in figures.windows
    }
    assert Figures.from_dict(figures.to_dict()) == figures


def flat(seconds: int = 100) -> Figures:
    """
    Return figures in which nothing grows.
    """
    looks = range(seconds)
    samples = [
        Sample(at=at, resident=100 + at % 3, connections=8, files=20, threads=9)
        for at in looks
    ]
    window = Window(at=50, kind="append", calls=2, percentiles=(1.0, 2.0, 3.0))
    return Figures(
        database="sqlite",
        seconds=seconds,
        samples=tuple(samples),
        windows=(window,),
        other_load=1,
    )


@pytest.mark.parametrize(
    ("field", "a_second"), [("resident", 0.1), ("files", 0.05), ("threads", 0.05)]
)
def test_what_grows_is_noticed(field: str, a_second: float) -> None:
    """
    A steady leak of memory, files or threads is a violation; what goes up and down not.
    """
    figures = flat()
    check(figures, most_growth=4)
    leaking = [
        attrs.evolve(sample, **{field: getattr(sample, field) + a_second * sample.at})
        for sample in figures.samples
    ]
    with pytest.raises(AssertionError, match="growth"):
        check(attrs.evolve(figures, samples=tuple(leaking)), most_growth=4)
