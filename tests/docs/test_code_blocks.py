"""
Every Python block of the README and of docs/ runs, as a reader would run it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page_blocks import ROOT, python_of, run_page

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
URL_VARIABLE = "DATABASE_URL"
OF_FRAMEWORKS = "use-with-"
KEPT_IN = re.compile(r"[\w-]+\.sqlite3\b|LocalArtifactStore\(\"[\w-]+\"\)")


def cases() -> Iterator[object]:
    """
    Yield each page that has Python blocks; some of them need a PostgreSQL server.

    Those of frameworks run in the frameworks' sessions, which have these.
    """
    for page in PAGES:
        text = python_of(page)
        if page.name.startswith(OF_FRAMEWORKS):
            continue
        marks = [pytest.mark.postgres] if URL_VARIABLE in text else []
        if text:
            yield pytest.param(page, marks=marks, id=page.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("page", list(cases()))
def test_every_code_block_runs(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    The blocks of the page run from top to bottom without an error.
    """
    if request.node.get_closest_marker("postgres"):
        monkeypatch.setenv(URL_VARIABLE, request.getfixturevalue("postgres_url"))
    monkeypatch.chdir(tmp_path)
    # What a page makes of the package's logger is undone in the end.
    logger = logging.getLogger("asm_async")
    caplog.set_level(logger.level, logger.name)
    run_page(page)


def test_no_two_pages_share_a_database_or_a_directory() -> None:
    """
    A reader who follows one page after the other, in one directory, fails on none.
    """
    pages_of: dict[str, list[str]] = {}
    for page in PAGES:
        for name in set(KEPT_IN.findall(python_of(page))):
            pages_of.setdefault(name, []).append(page.name)

    assert {name: pages for name, pages in pages_of.items() if len(pages) > 1} == {}
