"""
How the code blocks of a page are found and run, as a reader would run them.

The blocks of a page run in order, in one namespace and one event loop, with ``await``
at the top level, as in ``python -m asyncio``. A block that begins with a comment like
``# name.py`` is a file, which is written; one named ``test_name.py`` has tests, for
which pytest is called. Of a console's block, what follows ``$ python`` is run, and
prints the lines below it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"# (\w+\.py)\n")
COMMAND = re.compile(r"^\$ python (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@attrs.frozen
class Block:
    """
    A block of a page, with the number of the line above it.
    """

    language: str
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """
    Yield each block of Python, or of a console, of a page.
    """
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(2))
        yield Block(match.group(1), line, match.group(2))


def python_of(page: Path) -> str:
    """
    Return all Python of a page.
    """
    return "".join(block.text for block in blocks(page) if block.language == "python")


def run_block(
    runner: asyncio.Runner, namespace: dict[str, object], page: Path, block: Block
) -> None:
    """
    Run one block of Python, so that a traceback shows the page and the line.
    """
    code = compile(
        "\n" * block.line + block.text,
        page,
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )
    if code.co_flags & inspect.CO_COROUTINE:
        # Such a code object, evaluated, is a coroutine.
        runner.run(eval(code, namespace))  # noqa: S307 - the page is the project's own
    else:
        exec(code, namespace)  # noqa: S102 - the page is the project's own


def run_page(page: Path) -> None:
    """
    Run the blocks of a page from top to bottom, in the current directory.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in blocks(page):
            if block.language == "console":
                run_commands(block.text)
            elif match := FILE_NAME.match(block.text):
                run_file(Path(match.group(1)), block.text)
            else:
                run_block(runner, namespace, page, block)


def run_file(path: Path, text: str) -> None:
    """
    Write a file; if it has tests, they pass.
    """
    path.write_text(text, encoding="utf-8")
    if path.name.startswith("test_"):
        done = run_python("-m", "pytest", "-p", "no:cacheprovider", path.name)
        assert done.returncode == 0, done.stdout


def run_commands(text: str) -> None:
    """
    Run what a console's block has after ``$ python``: it prints what stands below it.
    """
    for arguments, printed in COMMAND.findall(text):
        done = run_python(*shlex.split(arguments))
        assert done.stdout == printed, done.stderr


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run this Python in a process of its own.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(  # noqa: S603 - this Python, on what the page says
        [sys.executable, *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
