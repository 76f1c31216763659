"""
Every Python block of the README and of docs/ runs, as a reader would run it.

The blocks of a page run in order, in one namespace and one event loop, with ``await``
at the top level, as in ``python -m asyncio``. A block that begins with a comment like
``# test_name.py`` is a file of tests, for which pytest is called.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
URL_VARIABLE = "DATABASE_URL"
FILE_NAME = re.compile(r"# (test_\w+\.py)\n")
KEPT_IN = re.compile(r"[\w-]+\.sqlite3\b|LocalArtifactStore\(\"[\w-]+\"\)")


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """
    Give each Python block of a page with the number of the line above it.
    """
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield text.count("\n", 0, match.start(1)), match.group(1)


def run_block(
    runner: asyncio.Runner,
    namespace: dict[str, object],
    page: Path,
    line: int,
    text: str,
) -> None:
    """
    Run one block, so that a traceback shows the page and the line.
    """
    code = compile(
        "\n" * line + text, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )
    if code.co_flags & inspect.CO_COROUTINE:
        # Such a code object, evaluated, is a coroutine.
        runner.run(eval(code, namespace))  # noqa: S307 - the page is the project's own
    else:
        exec(code, namespace)  # noqa: S102 - the page is the project's own


def cases() -> Iterator[object]:
    """
    Give each page that has Python blocks; some of them need a PostgreSQL server.
    """
    for page in PAGES:
        text = "".join(text for _, text in blocks(page))
        marks = [pytest.mark.postgres] if URL_VARIABLE in text else []
        if text:
            yield pytest.param(page, marks=marks, id=page.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("page", list(cases()))
def test_every_code_block_runs(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """
    The Python blocks of the page run from top to bottom without an error.
    """
    if request.node.get_closest_marker("postgres"):
        monkeypatch.setenv(URL_VARIABLE, request.getfixturevalue("postgres_url"))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for line, text in blocks(page):
            if file_name := FILE_NAME.match(text):
                Path(file_name.group(1)).write_text(text, encoding="utf-8")
                run_tests(file_name.group(1))
            else:
                run_block(runner, namespace, page, line, text)


def test_no_two_pages_share_a_database_or_a_directory() -> None:
    """
    A reader who follows one page after the other, in one directory, fails on none.
    """
    pages_of: dict[str, list[str]] = {}
    for page in PAGES:
        text = "".join(text for _, text in blocks(page))
        for name in set(KEPT_IN.findall(text)):
            pages_of.setdefault(name, []).append(page.name)

    assert {name: pages for name, pages in pages_of.items() if len(pages) > 1} == {}


def run_tests(file_name: str) -> None:
    """
    Run a file of tests with pytest, in a process of its own.
    """
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", file_name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(  # noqa: S603 - this Python, on the page's own file
        command, env=environment, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout
