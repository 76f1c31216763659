"""
``asm import --from``: what another program has recorded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asm_async.cli.main import main
from tests.cli.conftest import PROGRAM
from tests.importers.claude_lines import conversation, encoded, prompt, write


@contextmanager
def importing(url: str, *arguments: object) -> Generator[subprocess.Popen[str]]:
    """
    Import in a process of its own, which a failing test does not leave behind.
    """
    process = subprocess.Popen(  # noqa: S603 - the program under test
        [PROGRAM, "import", *map(str, arguments), "--url", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return a session file of Claude Code with one broken line.
    """
    return write(tmp_path / "files" / "s.jsonl", *conversation(), b"{broken\n")


def run(url: str, path: Path | str, *options: str) -> int:
    """
    Run the command in this process.
    """
    given = ["--from", "claude-code", str(path), "--url", url, *options]
    return main(["import", *given])


def test_what_was_recorded_is_imported_and_reported(
    migrated_sqlite_url: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The counts and each problem, with its file and line, are on standard error.
    """
    codes = [run(migrated_sqlite_url, path.parent) for _ in range(2)]
    printed, said = capsys.readouterr()
    problem, first, _, second = said.splitlines()

    assert (codes, printed) == ([0, 0], "")
    assert problem.startswith("s.jsonl:11: not_json: it is no JSON: ")
    assert first == (
        "imported 1 session, 2 runs, 0 artifacts, 0 state items, 10 events from"
        " 1 source; 0 sessions and 0 events were here already; 1 problem"
    )
    assert "0 events from 1 source; 1 session and 10 events were" in second


def test_the_counts_are_json_and_a_strict_command_fails(
    migrated_sqlite_url: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With --json all counts and problems are one object; --strict exits with 1.
    """
    code = run(migrated_sqlite_url, path, "--json", "--strict", "--dry-run", "-q")
    printed, said = capsys.readouterr()
    done = json.loads(printed)

    assert (code, said) == (1, "")
    assert (done["events_imported"], done["problem_count"]) == (10, 1)
    assert done["problems"][0]["number"] == 11


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["x.jsonl", "--tenant", "a"], 2, "--tenant: it needs --from"),
        (["x.jsonl", "--dry-run"], 2, "--dry-run: it needs --from"),
        (["--from", "nothing", "x.jsonl"], 2, "'nothing' is none of "),
        (["--from", "claude-code", "x.jsonl"], 3, "x.jsonl: there is no such file"),
        (["--from", "claude-code", ".", "--poll-interval", "0"], 2, "poll_interval"),
        (["--from", "claude-code", ".", "--contents", "."], 2, "--contents"),
    ],
)
def test_wrong_arguments_are_refused(
    migrated_sqlite_url: str,
    arguments: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The exit code tells a wrong argument from a source that there is not.
    """
    assert main(["import", *arguments, "--url", migrated_sqlite_url]) == code
    assert words in capsys.readouterr().err


def test_attachments_go_to_the_store_that_is_named(
    migrated_sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With --artifact-store the contents of attachments are artifacts.
    """
    source = {"type": "base64", "media_type": "image/png", "data": "cGlj"}
    path = write(tmp_path / "s.jsonl", prompt(1, [{"type": "image", "source": source}]))
    run(migrated_sqlite_url, path, "--artifact-store", str(tmp_path / "kept"))

    assert "1 artifact," in capsys.readouterr().err


def test_following_ends_with_ctrl_c_and_can_be_continued(
    migrated_sqlite_url: str, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It exits with 0 and says how to continue; the next import adds what is missing.
    """
    options = ("--from", "auto", path.parent, "--follow", "--poll-interval", "0.01")
    with importing(migrated_sqlite_url, *options) as process:
        assert process.stderr is not None
        assert "s.jsonl:11" in process.stderr.readline()
        with path.open("ab") as file:
            file.write(b"{broken, too\n" + encoded(prompt(10, "More.")))
        assert "s.jsonl:12" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    for _ in range(2):
        run(migrated_sqlite_url, path.parent)
    (*_, last) = capsys.readouterr().err.splitlines()

    assert process.returncode == 0
    assert said.splitlines()[-1] == "run the same command to continue"
    assert "Traceback" not in said
    assert "11 events were here already" in last


def test_an_import_that_was_interrupted_says_how_to_continue(
    migrated_sqlite_url: str,
) -> None:
    """
    Ctrl-C while it waits for standard input ends it with 130, and at once.
    """
    with importing(migrated_sqlite_url, "--from", "claude-code", "-") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("{broken\n" * 100_000)
        process.stdin.flush()
        assert "-:1: not_json" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        said = process.stderr.read()

    assert process.returncode == 130
    assert "run the same command to continue" in said
