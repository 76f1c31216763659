"""
Blocks that are no Python can be read by what they are written for.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from tests.page_blocks import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
PROMPT = re.compile(r"^\$ (.*(?:\\\n.*)*)$", re.MULTILINE)
SESSION = re.compile(r"nox -s (\w+)")
# Python runs in tests of its own; the others are shown, and nothing here reads them.
NOT_READ = {"Dockerfile", "dockerfile", "html", "ini", "py", "python", "sql", "text"}


def read_yaml(text: str) -> None:
    """
    Read each document of a YAML text.
    """
    list(yaml.safe_load_all(text))


def read_json(text: str) -> None:
    """
    Read one JSON value, or one on each line.
    """
    try:
        json.loads(text)
    except json.JSONDecodeError:
        for line in text.splitlines():
            json.loads(line)


def read_commands(text: str) -> None:
    """
    Have a shell read commands without running them; what they print is left out.
    """
    commands = "\n".join(PROMPT.findall(text)) or text
    shell = shutil.which("bash") or "bash"
    answer = subprocess.run(  # noqa: S603 - it only reads
        [shell, "-n"], input=commands, text=True, capture_output=True, check=False
    )
    if answer.returncode or answer.stderr:
        raise ValueError(answer.stderr)


READERS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {
        "bash": read_commands,
        "console": read_commands,
        "json": read_json,
        "sh": read_commands,
        "toml": tomllib.loads,
        "yaml": read_yaml,
    }
)


def blocks(page: Path) -> list[tuple[str, str]]:
    """
    Return the language and the text of each block of a page.
    """
    text = page.read_text(encoding="utf-8")
    return [(name, textwrap.dedent(body)) for _, name, body in BLOCK.findall(text)]


def name_of(page: Path) -> str:
    """
    Name a page as a test's id.
    """
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_can_be_read(page: Path) -> None:
    """
    JSON, TOML, YAML and commands are well-formed, and no language is unknown.
    """
    for language, text in blocks(page):
        if language not in NOT_READ:
            assert language in READERS, f"a block of {language or 'no language'}"
            READERS[language](text)


def test_each_session_of_nox_that_pages_name_is_there() -> None:
    """
    What a page says to run with nox, the noxfile has.
    """
    noxfile = (ROOT / "noxfile.py").read_text("utf-8")
    there = set(re.findall(r"^@nox\.session(?:.*\n)+?def (\w+)", noxfile, re.MULTILINE))
    named = {
        name for page in PAGES for name in SESSION.findall(page.read_text("utf-8"))
    }

    assert sorted(named - there) == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("console", "$ echo 'open\n"),
        ("console", "for name in a b\n"),
        ("json", '{"a": 1'),
        ("json", '{"a": 1}\n{"b"}\n'),
        ("toml", "a = "),
        ("yaml", "a: [1"),
    ],
)
def test_a_block_that_cannot_be_read_is_found(language: str, text: str) -> None:
    """
    A mistake in a block of each of these languages is one.
    """
    with pytest.raises((ValueError, yaml.YAMLError)):
        READERS[language](text)
