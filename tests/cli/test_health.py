"""
The command that looks a database over.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from asm_async.cli.main import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return an SQLite file that has our tables.
    """
    path = tmp_path / "asm.sqlite3"
    assert main(["db", "upgrade", "--url", f"sqlite:///{path}"]) == 0
    return path


def test_a_sound_database_is_said_to_be_so(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With -q the exit code alone tells it, to whatever watches over a database.
    """
    capsys.readouterr()
    assert main(["health", "--url", f"sqlite:///{path}"]) == 0
    assert capsys.readouterr() == ("healthy: nothing is wrong\n", "")
    assert main(["health", "-q", "--url", f"sqlite:///{path}"]) == 0
    assert capsys.readouterr() == ("", "")


def test_what_is_wrong_is_printed_line_by_line(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    And the exit code says that there is something.
    """
    with sqlite3.connect(path) as conn:
        conn.executemany(
            "INSERT INTO asm_session_tags VALUES (?, 'a')", [("ses_1",), ("ses_2",)]
        )
    conn.close()
    capsys.readouterr()
    assert main(["health", "--url", f"sqlite:///{path}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "orphaned_tags ses_1",
        "orphaned_tags ses_2",
    ]


def test_a_database_without_our_schema_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It says what to run.
    """
    (tmp_path / "empty.sqlite3").touch()

    assert main(["health", "--url", f"sqlite:///{tmp_path / 'empty.sqlite3'}"]) == 1
    output = capsys.readouterr().out
    assert output.startswith("schema_version schema: ")
    assert "db upgrade" in output
