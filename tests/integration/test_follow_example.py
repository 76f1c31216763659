"""
The example that follows, run in one terminal while another one writes.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.example_programs import (
    ENVIRONMENT,
    EXAMPLES,
    SAMPLE,
    record,
    without_warnings,
)

LONG_SECONDS = 60


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database, of either kind.
    """
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'log.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@contextmanager
def follower(url: str, *options: str) -> Generator[subprocess.Popen[str]]:
    """
    Have the example follow, from before anything is written.
    """
    process = subprocess.Popen(  # noqa: S603 - a script of ours
        [sys.executable, EXAMPLES / "follow.py", "--url", url, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline() == "following\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def sample(tmp_path: Path) -> list[tuple[str, int]]:
    """
    Return session and number of each event that the sample makes.
    """
    path = tmp_path / "sample.sqlite3"
    record(SAMPLE, f"sqlite+aiosqlite:///{path}").check_returncode()
    query = "SELECT session_id, sequence_number FROM asm_events ORDER BY 1, 2"
    with closing(sqlite3.connect(path)) as conn:
        return [(session_id, number) for session_id, number in conn.execute(query)]


def keys_of(output: str) -> list[tuple[str, int]]:
    """
    Return session and number of each line.
    """
    words = [line.split() for line in output.splitlines()]
    return [(session_id, int(number)) for session_id, number, *_ in words]


def test_a_session_is_followed_while_another_process_writes_it(url: str) -> None:
    """
    The newest session, or the first one to come, is shown from its first event on.
    """
    with follower(url, "--limit", "5") as process:
        record(SAMPLE, url).check_returncode()
        output, errors = process.communicate(timeout=LONG_SECONDS)

    assert (process.returncode, without_warnings(errors)) == (0, "")
    assert [number for _, number in keys_of(output)] == [1, 2, 3, 4, 5]
    assert len({session_id for session_id, _ in keys_of(output)}) == 1


def test_all_sessions_are_followed(url: str, sample: list[tuple[str, int]]) -> None:
    """
    Every event that is recorded is shown, each session's in order.
    """
    with follower(url, "--all", "--limit", str(len(sample))) as process:
        record(SAMPLE, url).check_returncode()
        output, errors = process.communicate(timeout=LONG_SECONDS)

    assert (process.returncode, without_warnings(errors)) == (0, "")
    shown = keys_of(output)
    assert sorted(shown) == sample
    assert sorted(shown, key=lambda key: key[0]) == sample
