"""
How the project says it is installed, for as long as it is on no package index.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOLD = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(
        path
        for folder in ("asm_async", "examples", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ),
]
FROM_AN_INDEX = re.compile(
    r"""\b(?:install|add|uvx|run|download)\s+(?:-\S+\s+)*['"]?asm[-_]async\b(?!/)"""
    r"""|\basm[-_]async\["""
)


def test_nothing_says_to_install_a_package_of_this_name() -> None:
    """
    No error, docstring or page has a reader install this name from an index.

    Until there is a release, it is not known whose package an index would give out.
    """
    found = {
        path.relative_to(ROOT).as_posix(): match.group()
        for path in TOLD
        for match in FROM_AN_INDEX.finditer(path.read_text("utf-8"))
    }

    assert found == {}


@pytest.mark.parametrize(
    "command",
    [
        "pip install asm_async",
        "pip install --upgrade 'asm_async[postgres]'",
        "uv add asm-async",
        "uvx asm-async",
        "Install the extra: `asm_async[langgraph]`.",
    ],
)
def test_such_a_command_is_found(command: str) -> None:
    """
    The search finds the ways in which a reader could be told so.
    """
    assert FROM_AN_INDEX.search(command)
