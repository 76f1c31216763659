"""
The command line does what its reference shows.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asm_async.cli.commands import COMMANDS
from asm_async.cli.main import ExitCode
from tests.docs.recorded_sessions import PAGES, REFERENCE, recorded_anew


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_recorded_sessions_are_what_the_commands_print(path: Path) -> None:
    """
    ``nox -s recordings`` writes them anew.
    """
    page = path.read_text("utf-8")

    assert recorded_anew(page) == page


def test_each_command_is_shown_with_its_help_and_at_work() -> None:
    """
    In a section of its own.
    """
    page = REFERENCE.read_text("utf-8")
    shown = re.findall(r"^\$ (?:\w+ \| )?asm (.+)$", page, re.MULTILINE)
    names = [
        name
        for each in COMMANDS
        for name in (
            [f"{each.name} {one.name}" for one in each.commands]
            if each.commands
            else [each.name]
        )
    ]

    for name in names:
        assert f"{name} --help" in shown
        assert [one for one in shown if one.startswith(name) and "--help" not in one]


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    """
    Each code has its row.
    """
    page = REFERENCE.read_text("utf-8")
    rows = re.findall(r"^\| `(\d+)` \|", page, re.MULTILINE)

    assert [int(code) for code in rows] == [*ExitCode]
