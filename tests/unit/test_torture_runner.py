"""
The runner of campaigns: what it does with those that hold, fail, or do not end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path

import attrs
import pytest

from tests.torture.__main__ import main
from tests.torture.campaign import Campaign, Run, Setting, Tally
from tests.torture.campaigns import CAMPAIGNS
from tests.torture.report import spliced, table
from tests.torture.runner import Interruption, Order, run_campaign

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "reliability.md"

TEXT = "before\n<!-- campaigns: begin -->\n<!-- campaigns: end -->\nafter\n"


@attrs.define
class Played:
    """
    A campaign of the test's own, and what it was given.
    """

    settings: list[Setting] = attrs.field(factory=list[Setting])
    left: asyncio.Task[bool] | None = None

    async def hold(self, setting: Setting) -> Tally:
        """
        Bring all faults about, in no time.
        """
        self.settings.append(setting)
        faults = sum(1 for _ in setting.each_fault())
        return Tally(faults=faults, acknowledged=4_000, refused=3, unknown=2)

    async def fail(self, setting: Setting) -> Tally:
        """
        Find a violation, as a task group tells of it.
        """
        self.settings.append(setting)
        (setting.directory / "history.jsonl").touch()
        raise ExceptionGroup("of tasks", [AssertionError("number 3 is missing")])

    async def leave_a_task(self, setting: Setting) -> Tally:
        """
        Hold, and leave something behind.
        """
        self.left = asyncio.ensure_future(asyncio.Event().wait())
        return await self.hold(setting)

    async def be_interrupted(self, setting: Setting) -> Tally:
        """
        Have somebody press Ctrl-C at the third fault.
        """
        self.settings.append(setting)
        faults = 0
        for faults, _ in enumerate(setting.each_fault(), start=1):
            if faults == 3:
                await interrupt()
        return Tally(faults=faults, acknowledged=0, refused=0, unknown=0)

    async def be_broken_off(self, setting: Setting) -> Tally:
        """
        Have somebody press Ctrl-C who does not want to wait.
        """
        self.settings.append(setting)
        await interrupt()
        await interrupt()
        return await never(setting)


async def interrupt() -> None:
    """
    Do what Ctrl-C does, and let the event loop hear of it.
    """
    heard = asyncio.Event()
    os.kill(os.getpid(), signal.SIGINT)
    asyncio.get_running_loop().call_later(0.01, heard.set)
    await heard.wait()


async def never(_: Setting) -> Tally:
    """
    Do not end.
    """
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture(autouse=True)
def _kept_by_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Keep what is kept of violations where pytest throws it away.
    """
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def played() -> Played:
    """
    Return what campaigns do.
    """
    return Played()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """
    Return a page that has a place for the table.
    """
    page = tmp_path / "page.md"
    page.write_text(TEXT)
    return page


def a_campaign(run: Run, name: str = "storm") -> Campaign:
    """
    Make a campaign of 200 faults, on SQLite.
    """
    return Campaign(
        name=name, title=name.title(), run=run, databases=("sqlite",), faults=200
    )


def an_order(run: Run) -> Order:
    """
    Order a campaign that has no time.
    """
    return Order(
        campaign=a_campaign(run),
        database="sqlite",
        faults=1,
        seed=1,
        seconds=0,
        grace=0.01,
    )


def test_a_campaign_that_holds_is_counted(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Its line says what was done, with the seed, and its directory is thrown away.
    """
    assert main(["--seed", "7"], campaigns=[a_campaign(played.hold)]) == 0

    [setting] = played.settings
    assert not setting.directory.exists()
    line = "| Storm | sqlite | 200 | 4,000 | 3 | 2 | 0 | 0 | 7 |"
    assert capsys.readouterr().out.splitlines()[-1] == line


def test_a_violation_is_named_and_kept(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Campaign, database, seed and directory are told; the others run all the same.
    """
    campaigns = [a_campaign(played.fail), a_campaign(played.hold, "calm")]
    assert main(["--seed", "7"], campaigns=campaigns) == 1

    failed, held = played.settings
    told = capsys.readouterr()
    assert "storm on sqlite: VIOLATION, seed 7" in told.err
    assert "AssertionError: number 3 is missing" in told.err
    assert f"kept in {failed.directory};" in told.err
    assert "--only storm --database sqlite --seed 7 --faults 200" in told.err
    assert (failed.directory / "history.jsonl").exists()
    assert "number 3 is missing" in (failed.directory / "violation.txt").read_text()
    assert "| Storm | sqlite |  |  |  |  | 1 | 0 | 7 |" in told.out
    assert "| Calm | sqlite | 200 |" in told.out
    assert not held.directory.exists()


def test_a_task_that_is_left_behind_is_a_violation(played: Played) -> None:
    """
    A campaign must clean up before anybody believes it.
    """
    outcome = run_campaign(an_order(played.leave_a_task), Interruption(print), print)

    assert outcome.violation is not None
    assert outcome.violation.startswith("AssertionError: tasks go on: ")


def test_a_violation_without_words_is_told_by_its_place() -> None:
    """
    Whoever reads of it knows what was asserted.
    """

    async def run_out_of_time(_: Setting) -> Tally:
        raise TimeoutError

    outcome = run_campaign(an_order(run_out_of_time), Interruption(print), print)

    assert outcome.violation == "TimeoutError in run_out_of_time: raise TimeoutError"


def test_the_seed_tells_the_run(played: Played) -> None:
    """
    With one seed a campaign meets the same chances, alone as among others.
    """
    campaigns = [a_campaign(played.hold, name) for name in ("storm", "calm")]
    for arguments in (
        ["--seed", "7"],
        ["--seed", "7", "--only", "calm"],
        ["--seed", "8", "--only", "calm"],
    ):
        assert main(arguments, campaigns=campaigns) == 0

    _, among_others, alone, other = [one.random.random() for one in played.settings]
    assert among_others == alone
    assert alone != other


@pytest.mark.parametrize(
    ("faults", "number"), [("20", 20), ("10%", 20), ("0.1%", 1), ("0", 1)]
)
def test_the_number_of_faults_is_given_or_scaled(
    played: Played, faults: str, number: int
) -> None:
    """
    A share is of what the campaign brings about by itself; one fault is the least.
    """
    main(["--faults", faults], campaigns=[a_campaign(played.hold)])

    assert played.settings[0].faults == number


def test_a_campaign_brings_about_no_more_when_its_time_is_up(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What it has done until then is checked and counted.
    """
    assert main(["--seconds", "0"], campaigns=[a_campaign(played.hold)]) == 0

    assert "| Storm | sqlite | 0 | 4,000 |" in capsys.readouterr().out


def test_a_campaign_that_does_not_end_is_a_violation() -> None:
    """
    It is broken off when its grace is over.
    """
    outcome = run_campaign(an_order(never), Interruption(print), print)

    assert outcome.violation == "AssertionError: it has not ended after 0 s"


def test_ctrl_c_ends_the_campaign_at_hand(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It is checked and counted, and no other is begun.
    """
    campaigns = [a_campaign(played.be_interrupted), a_campaign(played.hold, "calm")]
    assert main([], campaigns=campaigns) == 0

    out = capsys.readouterr().out
    assert "| Storm | sqlite | 3 |" in out
    assert "Calm" not in out


def test_ctrl_c_twice_breaks_it_off(
    played: Played, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What was there before is shown and written; nothing is kept of what was broken off.
    """
    campaigns = [
        a_campaign(played.hold, "calm"),
        a_campaign(played.be_broken_off),
        a_campaign(played.hold, "dusk"),
    ]
    assert main(["--write"], campaigns=campaigns, page=page) == 0

    told = capsys.readouterr()
    assert "storm on sqlite: broken off" in told.err
    assert "Calm" in told.out
    assert "Calm" in page.read_text()
    assert "Storm" not in told.out
    assert "Dusk" not in told.out
    assert not any(setting.directory.exists() for setting in played.settings)


def test_results_are_written_in_place(played: Played, page: Path) -> None:
    """
    New ones replace those they come after; the others, and the page, stay as they are.
    """
    campaigns = [a_campaign(played.hold, name) for name in ("storm", "calm")]
    main(["--write", "--seed", "1", "--only", "calm"], campaigns=campaigns, page=page)
    main(["--write", "--seed", "2"], campaigns=campaigns, page=page)
    main(["--write", "--seed", "3", "--only", "calm"], campaigns=campaigns, page=page)

    written = page.read_text()
    before, *lines, after = written.splitlines()
    assert (before, after) == ("before", "after")
    assert lines[3:-1] == [
        "| Storm | sqlite | 200 | 4,000 | 3 | 2 | 0 | 0 | 2 |",
        "| Calm | sqlite | 200 | 4,000 | 3 | 2 | 0 | 0 | 3 |",
    ]
    main(["--write", "--seed", "3", "--only", "calm"], campaigns=campaigns, page=page)
    assert page.read_text() == written


def test_a_campaign_that_there_is_no_more_leaves_the_table(
    played: Played, page: Path
) -> None:
    """
    The table has the campaigns that can be run.
    """
    main(["--write"], campaigns=[a_campaign(played.hold, "calm")], page=page)
    main(["--write"], campaigns=[a_campaign(played.hold)], page=page)

    assert "Calm" not in page.read_text()
    assert "Storm" in page.read_text()


def test_a_page_without_markers_is_refused_before_anything_runs(
    played: Played, page: Path
) -> None:
    """
    Nobody waits for results that cannot be written.
    """
    page.write_text("before\nafter\n")
    with pytest.raises(ValueError, match="campaigns: begin"):
        main(["--write"], campaigns=[a_campaign(played.hold)], page=page)

    assert played.settings == []


def test_the_table_of_the_documentation_is_what_was_found() -> None:
    """
    Nobody has changed it by hand, and there is no violation in it.
    """
    rows = json.loads(PAGE.with_suffix(".json").read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    assert spliced(text, table(rows)) == text
    assert not any(row["violations"] for row in rows)
    names = [campaign.name for campaign in CAMPAIGNS]
    assert rows
    assert all(row["name"] in names for row in rows)
