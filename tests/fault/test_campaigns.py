"""
The short forms of the campaigns that writers have to survive.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.torture import (
    cancelled_recorders,
    crashed_servers,
    cut_commits,
    killed_recorders,
    killed_writers,
    terminated_backends,
)
from tests.torture.campaign import Campaign, Database, Setting, Tally


@pytest.fixture
def postgresql(postgres_server_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """
    Have campaigns make their databases on the server of the tests.
    """
    monkeypatch.setenv("ASM_TEST_POSTGRES_URL", postgres_server_url)
    return "postgresql"


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def database(request: pytest.FixtureRequest) -> Database:
    """
    Return each kind of database in turn.
    """
    if request.param == "sqlite":
        return "sqlite"
    request.getfixturevalue("postgresql")
    return "postgresql"


async def brought_about(
    campaign: Campaign, database: Database, *, faults: int, directory: Path
) -> Tally:
    """
    Run a campaign in small.
    """
    setting = Setting(
        database=database,
        faults=faults,
        random=random.Random(random.getrandbits(32)),
        directory=directory,
        tell=lambda _: None,
    )
    tally = await campaign.run(setting)
    assert tally.faults == faults
    assert tally.acknowledged >= faults
    return tally


async def test_what_was_acknowledged_survives_kill_9(
    database: Database, tmp_path: Path
) -> None:
    """
    Processes killed while they write take with them nothing that they were told of.
    """
    await brought_about(killed_writers.CAMPAIGN, database, faults=8, directory=tmp_path)


@pytest.mark.postgres
async def test_a_crash_of_the_server_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """
    Every writer goes on when a killed or stopped server is back, with its open store.
    """
    await brought_about(
        crashed_servers.CAMPAIGN, "postgresql", faults=4, directory=tmp_path
    )


@pytest.mark.postgres
async def test_terminated_backends_are_replaced(
    postgresql: Database, tmp_path: Path
) -> None:
    """
    Whoever's connection the server ends goes on with another, and loses nothing.
    """
    await brought_about(
        terminated_backends.CAMPAIGN, postgresql, faults=20, directory=tmp_path
    )


@pytest.mark.postgres
async def test_what_was_cut_at_its_commit_is_there_once_at_most(
    postgresql: Database, tmp_path: Path
) -> None:
    """
    Whether a COMMIT or its answer is lost, under load nothing is lost and doubled.
    """
    await brought_about(cut_commits.CAMPAIGN, postgresql, faults=20, directory=tmp_path)


async def test_every_run_of_a_killed_recorder_is_ended_once(
    database: Database, tmp_path: Path
) -> None:
    """
    Four processes recover at once what killed ones have left: all, and nothing twice.
    """
    await brought_about(
        killed_recorders.CAMPAIGN, database, faults=8, directory=tmp_path
    )


async def test_a_cancelled_recorder_leaves_no_run_without_its_end(
    database: Database, tmp_path: Path
) -> None:
    """
    Cancelled once or twice, wherever that is, it ends when its run has.
    """
    await brought_about(
        cancelled_recorders.CAMPAIGN, database, faults=60, directory=tmp_path
    )
