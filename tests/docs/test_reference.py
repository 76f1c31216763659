"""
What the reference lists is what the code has.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asm_async import EventType, errors

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def name_of(path: Path) -> str:
    """
    Name a page as a test's id.
    """
    return path.relative_to(ROOT).as_posix()


def table_rows(path: str) -> list[list[str]]:
    """
    Give the cells of each row of a page's tables that begins with a piece of code.
    """
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| `")
    ]


def test_the_table_of_errors_is_complete() -> None:
    """
    docs/reference/errors.md has each error with its code, category and retryable.
    """
    expected = [
        [name, error.code, error.category, "yes" if error.retryable else "no"]
        for name in errors.__all__
        for error in [getattr(errors, name)]
    ]

    rows = [row[:4] for row in table_rows("docs/reference/errors.md")]

    assert sorted(rows) == sorted(expected)


def test_the_table_of_event_types_is_complete() -> None:
    """
    docs/reference/events.md has each event type under its name and its value.
    """
    rows = [row[:2] for row in table_rows("docs/reference/events.md")]

    assert rows == [[member.name, member.value] for member in EventType]


def test_ci_runs_the_commands_of_the_readme() -> None:
    """
    The README has one command for the demo and one for the tests, where .ci/run looks.
    """
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    for session in ("demo", "tests"):
        pattern = re.compile(rf"python3 .*nox -s {session}")
        assert len([line for line in lines if pattern.fullmatch(line)]) == 1


def test_each_test_that_the_threat_model_names_is_there() -> None:
    """
    What docs/explanation/security.md says is shown by a test, is shown by one.
    """
    page = (ROOT / "docs/explanation/security.md").read_text("utf-8")
    names = set(re.findall(r"`((?:tests/[\w/]+(?:\.py)?)|[Tt]est_?\w+)`", page))
    folders = (ROOT / "tests", ROOT / "asm_async" / "testing")
    sources = [path.read_text("utf-8") for top in folders for path in top.rglob("*.py")]
    known = set(re.findall(r"(?:def|class) (\w+)", "\n".join(sources)))

    files = {name for name in names if "/" in name}

    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    assert sorted(names - files - known) == []
    assert len(names) > len(files) > 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """
    Each relative link of a page names a file that exists.
    """
    targets = [match.group(1) for match in LINK.finditer(page.read_text("utf-8"))]
    missing = [
        target
        for target in targets
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert missing == []
