"""
The report on usage and cost, run as a user would run it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from asm_async import Run, open_store
from tests.integration.example_programs import (
    EXAMPLES,
    SAMPLE,
    interrupt_once_under_way,
    run_example,
    run_python,
)

LONG_SECONDS = 100

TALK = [
    {"role": "system", "content": "x" * 40},
    {"role": "user", "content": "x" * 8},
    {"role": "assistant", "content": "x" * 5},
    {"role": "user", "content": "x"},
    {
        "role": "assistant",
        "content": None,
        # The name and the input have 17 characters.
        "tool_calls": [
            {"id": "c", "function": {"name": "a_tool_of_a_kin", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c", "content": "x" * 400},
    {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
]
WITHOUT_DISK = """
import os, sys


def interrupt(handle):
    raise KeyboardInterrupt


os.fsync = interrupt
sys.path.insert(0, {examples!r})
sys.argv = ["usage_report.py", *{arguments!r}]
import usage_report

sys.exit(usage_report.main())
"""


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database, of either kind.
    """
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """
    Return a directory with nothing in it.
    """
    directory = tmp_path / "pictures"
    directory.mkdir()
    return directory


def sqlite_url(directory: Path) -> str:
    """
    Name a database file.
    """
    return f"sqlite+aiosqlite:///{directory / 'log.sqlite3'}"


def report(
    path: Path, url: str, plot: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """
    Report on the conversations of a file.
    """
    # What draws takes longer to import than to draw, and a forked process has it.
    importlib.import_module("matplotlib.figure")
    arguments = "--url", url, "--plot", plot
    return run_example("usage_report.py", path, *arguments, *options)


def runs_in(url: str) -> list[Run]:
    """
    Return all runs that a database holds, in order.
    """

    async def read() -> list[Run]:
        async with open_store(url) as store:
            sessions = await store.list_sessions()
            return [run for one in sessions for run in await store.list_runs(one.id)]

    return asyncio.run(read())


def cells_in(text: str, name: str) -> list[str]:
    """
    Return what stands in the row of this name.
    """
    (row,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return row.split()[1:]


def write_talk(directory: Path) -> Path:
    """
    Write a file with one conversation of two turns.
    """
    path = directory / "talk.json"
    path.write_text(json.dumps([{"messages": TALK}]), encoding="utf-8")
    return path


def test_tokens_are_estimated_as_the_report_says(url: str, pictures: Path) -> None:
    """
    A token is four characters; each answer reads what came before it, calls included.

    What is assumed says so, in the database as on the screen.
    """
    done = report(write_talk(pictures.parent), url, pictures / "usage.svg")
    first, second = runs_in(url)

    assert done.returncode == 0, done.stderr
    method = "estimated: 4 characters a token"
    assert first.token_usage == {
        "input_tokens": 10 + 2,
        "output_tokens": 2,
        "method": method,
    }
    before = 10 + 2 + 2 + 1
    # The message that calls, the call, the tool's answer, the last message.
    assert second.token_usage == {
        "input_tokens": before + (before + 5 + 100),
        "output_tokens": 5 + 8,
        "method": method,
    }
    assert (second.provider, second.cost_usd) == ("openai", None)
    assert second.provider_metadata == {"model": "gpt-4o", "assumed": True}
    text = " ".join(done.stdout.split())
    assert "Tokens are estimated, one for every 4 characters" in text
    assert "would have cost at list price" in text


def test_the_tables_and_the_picture_tell_what_was_recorded(
    url: str, pictures: Path
) -> None:
    """
    The figures of all conversations are there, and the picture is one.
    """
    done = report(SAMPLE, url, pictures / "usage.svg")

    assert done.returncode == 0, done.stderr
    runs = runs_in(url)
    read, written = (
        sum(run.token_usage[name] for run in runs)
        for name in ("input_tokens", "output_tokens")
    )
    count, *tokens, cost = cells_in(done.stdout, "gpt-4o")
    assert (count, tokens) == (str(len(runs)), [str(read), str(written)])
    assert float(cost) > 0
    for session_id in {run.session_id for run in runs}:
        cells_in(done.stdout, session_id)
    assert [path.name for path in pictures.iterdir()] == ["usage.svg"]
    assert ET.parse(pictures / "usage.svg").getroot().tag.endswith("svg")  # noqa: S314 - a picture of ours


def test_reporting_again_changes_no_run(url: str, pictures: Path) -> None:
    """
    The second time finds everything as it is to be; a PNG replaces what was there.
    """
    plot = pictures / "usage.PNG"
    plot.write_bytes(b"an older one")
    once = report(SAMPLE, url, plot)
    before = runs_in(url)
    again = report(SAMPLE, url, plot)

    assert (once.returncode, again.returncode) == (0, 0), again.stderr
    assert once.stdout == again.stdout
    assert runs_in(url) == before
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_what_is_recorded_already_gets_its_usage(url: str, pictures: Path) -> None:
    """
    Conversations that another example recorded are not recorded twice.
    """
    recorded = run_example("record_conversations.py", SAMPLE, "--url", url)
    before = runs_in(url)
    done = report(SAMPLE, url, pictures / "usage.svg")

    assert (recorded.returncode, done.returncode) == (0, 0), done.stderr
    assert [run.id for run in runs_in(url)] == [run.id for run in before]
    assert all(run.token_usage for run in runs_in(url))


def test_a_model_without_a_price_has_an_unknown_cost(
    tmp_path: Path, pictures: Path
) -> None:
    """
    The tokens are told all the same; another model takes the place of the one before.
    """
    url, plot = sqlite_url(tmp_path), pictures / "usage.svg"
    options = "--provider", "nobody", "--model", "nothing"
    done = report(SAMPLE, url, plot, *options)
    cheaper = report(SAMPLE, url, plot, "--model", "gpt-4o-mini")

    assert (done.returncode, cheaper.returncode) == (0, 0)
    *tokens, cost = cells_in(done.stdout, "nothing")
    assert cost == "unknown"
    assert cells_in(cheaper.stdout, "gpt-4o-mini")[:-1] == tokens
    assert {run.provider for run in runs_in(url)} == {"openai"}


@pytest.mark.parametrize(
    ("plot", "complaint"),
    [("usage.gif", "in .png or .svg"), ("nowhere/usage.svg", "is no directory")],
)
def test_a_picture_that_cannot_be_drawn_is_refused_first(
    plot: str, complaint: str, tmp_path: Path
) -> None:
    """
    The exit code is 2, the complaint takes one line, and no database is made.
    """
    done = report(SAMPLE, sqlite_url(tmp_path), tmp_path / plot)

    assert done.returncode == 2
    assert re.fullmatch(r"error: --plot .+\n", done.stderr)
    assert complaint in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_picture_is_written_leaves_the_old_one(
    tmp_path: Path, pictures: Path
) -> None:
    """
    Before it has reached the disk nothing is replaced, and no half picture stays.
    """
    plot = pictures / "usage.svg"
    plot.write_bytes(b"an older one")
    arguments = [str(SAMPLE), "--url", sqlite_url(tmp_path), "--plot", str(plot)]
    script = WITHOUT_DISK.format(examples=str(EXAMPLES), arguments=arguments)
    done = run_python("-c", script, timeout=LONG_SECONDS)

    assert done.returncode == 130, done.stderr
    assert done.stderr.endswith(
        "interrupted: only whole runs are stored; run it again\n"
    )
    assert [path.read_bytes() for path in pictures.iterdir()] == [b"an older one"]


def test_ctrl_c_while_recording_leaves_no_picture(url: str, pictures: Path) -> None:
    """
    Interrupted, it keeps whole runs; the same command goes on to the end.
    """
    turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    path = pictures.parent / "many.json"
    path.write_text(
        json.dumps([{"messages": turn * 5, "n": n} for n in range(100)]),
        encoding="utf-8",
    )
    arguments = path, "--url", url, "--plot", pictures / "usage.png"
    interrupted, _ = interrupt_once_under_way("usage_report.py", *arguments)
    assert interrupted == 130
    assert list(pictures.iterdir()) == []
    assert len(runs_in(url)) < 500

    finished = report(path, url, pictures / "usage.png")
    assert finished.returncode == 0, finished.stderr
    assert len(runs_in(url)) == 500
