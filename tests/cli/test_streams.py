"""
The command line where a stream is closed, full, broken off or of few characters.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import asm_async
from asm_async import open_store
from asm_async.cli.main import main
from asm_async.testing.factories import make_event, make_session

AWKWARD = "\u00e9\n\x1b[2J\u2028"


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """
    Return the URL of an SQLite file with a session whose id no terminal should see.
    """
    url = f"sqlite:///{tmp_path / 'asm.sqlite3'}"
    async with open_store(url, migrate=True) as store:
        await store.save_session(make_session(id=AWKWARD))
        await store.append_event(make_event(session_id=AWKWARD))
    return url


def run(url: str, command: str, redirection: str) -> subprocess.CompletedProcess[bytes]:
    """
    Run the program as a shell does, with Python's own buffers.
    """
    environment = {**os.environ, "ASM_DATABASE_URL": url, "PYTHONIOENCODING": "ascii"}
    environment.pop("PYTHONUNBUFFERED", None)
    return subprocess.run(  # noqa: S603 - this Python, on a program of ours
        [
            "/bin/sh",
            "-c",
            f'exec "$0" -m asm_async {command} {redirection}',
            sys.executable,
        ],
        check=False,
        capture_output=True,
        cwd=Path(asm_async.__file__).parents[1],
        env=environment,
    )


@pytest.mark.parametrize(
    ("command", "redirection", "code", "last_line"),
    [
        ("db current", ">&-", 1, "error: standard output is closed"),
        ("export", ">&-", 1, "error: standard output is closed"),
        ("import -", "<&-", 1, "error: standard input is closed"),
        ("db current", ">/dev/full", 1, "error: [Errno 28] No space left on device"),
        ("export", ">/dev/full", 1, "error: [Errno 28] No space left on device"),
        ("db current", "| true", 0, None),
        ("db current", "2>&-", 0, None),
        ("db current --url x", "2>&-", 2, None),
        ("export", "| true", 0, None),
        ("--help", "| true", 0, None),
        ("sessions", "| true", 0, None),
        ("import /", "", 1, "error: [Errno 21] Is a directory: '/'"),
    ],
    ids=range(12),
)
def test_a_stream_that_fails_is_named(
    url: str, command: str, redirection: str, code: int, last_line: str | None
) -> None:
    """
    In one line, without a trace, also when Python ends.
    """
    done = run(url, command, redirection)

    complaints = done.stderr.decode().splitlines()
    assert done.returncode == code
    assert not [line for line in complaints if "Traceback" in line or "ignored" in line]
    if last_line is not None:
        assert complaints[-1] == last_line


def damage(url: str) -> None:
    """
    Let the session's counter disagree with its events.
    """
    conn = sqlite3.connect(url.removeprefix("sqlite:///"))
    with conn:
        conn.execute("UPDATE asm_session_sequences SET last_sequence = 9")
    conn.close()


def test_a_terminal_of_few_characters_is_shown_escapes(url: str) -> None:
    """
    Neither an encoding nor what a terminal would obey gets in the way of a report.
    """
    damage(url)

    done = run(url, "health", "")

    assert done.returncode == 1
    assert done.stderr == b""
    assert done.stdout.startswith(rb"sequence_mismatch \xe9 \x1b[2J")
    assert done.stdout.count(b"\n") == 1


def test_an_issue_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Whatever the ids are made of.
    """
    damage(url)

    assert main(["health", "--url", url]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("sequence_mismatch \u00e9 \\x1b[2J")
    assert len(printed.splitlines()) == 1


def test_a_pipe_is_written_to_and_not_replaced(url: str, tmp_path: Path) -> None:
    """
    What is no regular file, such as /dev/null, is the same afterwards.
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    assert main(["export", "--url", url, "--output", str(pipe)]) == 0
    read = os.read(reader, 1 << 16)
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert read.startswith(b'{"record":"header"')


@pytest.mark.parametrize("timeout", ["nan", "inf", "-1"])
@pytest.mark.parametrize("command", ["db current", "db upgrade", "health", "export"])
def test_timeout_is_a_time(
    url: str, capsys: pytest.CaptureFixture[str], command: str, timeout: str
) -> None:
    """
    What is none is named, and nothing waits for it.
    """
    assert main([*command.split(), "--url", url, f"--timeout={timeout}"]) == 2
    assert capsys.readouterr().err.startswith("error: timeout: expected ")


@pytest.mark.parametrize("arguments", [["import", "a\0b"], ["export", "--output=a\0b"]])
def test_a_name_that_no_file_has_is_named(
    url: str, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """
    A NUL cannot come from a shell, though it can from a caller.
    """
    assert main([*arguments, "--url", url]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "error: a\\x00b: there cannot be a file of this name"
