"""
The recorded sessions of the command line in the docs: run anew, and written.

Each block marked ``console`` has commands behind ``$`` and what they print. They are
run one after the other on a file with the history of ``tests/shown_history.py``: in
this process, but for those that need a shell.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from asm_async import open_ports
from asm_async.cli.main import main
from tests.shown_history import store_history

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
GUIDE = ROOT / "docs" / "howto" / "inspect-from-a-shell.md"
PAGES = (REFERENCE, GUIDE)

_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
# What the clock or the file's own ids make different each time.
_VARYING = (
    (re.compile(r"(?!2026-03-0)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "2026-03-04 12:00:00"),
    (re.compile(r"(?!2026-03-0)\d{4}-\d\d-\d\dT[\d:.]+"), "2026-03-04T12:00:00.000000"),
    (re.compile(r"--cursor \S+"), "--cursor Y3Vyc29y"),
    (re.compile(r"--checkpoint \S+"), "--checkpoint Y2hlY2twb2ludA"),
    (re.compile(r'"checkpoint":"[^"]+"'), '"checkpoint":"Y2hlY2twb2ludA"'),
)
# What a shell makes something of, outside of quotes or even in them.
_OF_SHELLS = frozenset("|&;<>()$")
# A session file of Claude Code, with a line that is cut off.
_RECORDED = """\
{"type":"user","uuid":"u1","sessionId":"s1","timestamp":"2026-03-01T09:00:00Z",\
"message":{"role":"user","content":"Which files are there?"}}
{"type":"assistant","uuid":"u2","parentU
"""


def recorded_anew(page: str) -> str:
    """
    Return a page with what its commands print now.
    """
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_store(Path(directory, "agents.sqlite3")))
        Path(directory, "session.jsonl").write_text(_RECORDED, "utf-8")
        return _BLOCK.sub(lambda block: _session(block[1], directory), page)


async def _store(path: Path) -> None:
    async with open_ports(f"sqlite:///{path}", migrate=True) as ports:
        await store_history(ports)


def _session(block: str, directory: str) -> str:
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {each}\n{_output(each, directory)}" for each in commands)


def _output(command: str, directory: str) -> str:
    words = shlex.split(command)
    # What only a shell understands needs one, and the program as a process.
    is_plain = words[0] == "asm" and not _OF_SHELLS.intersection(command)
    environment = {
        "ASM_DATABASE_URL": "agents.sqlite3",
        "COLUMNS": "80",
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    run = _run_here if is_plain else _run_in_shell
    # Where the file lies is another place each time, too.
    text = run(command, directory, environment)
    text = text.replace(f"{os.path.realpath(directory)}/", "/srv/")
    printed = "\n".join(map(str.rstrip, text.splitlines()))
    for pattern, replacement in _VARYING:
        printed = pattern.sub(replacement, printed)
    return f"{printed}\n" if printed else ""


def _run_in_shell(command: str, directory: str, environment: Mapping[str, str]) -> str:
    ran = subprocess.run(  # noqa: S602 - what the page says
        command,
        check=False,
        cwd=directory,
        env=environment,
        shell=True,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    return ran.stdout.decode()


def _run_here(command: str, directory: str, environment: Mapping[str, str]) -> str:
    """
    Run a command in this process, which takes a tenth of the time of one of its own.
    """
    output = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with (
        pytest.MonkeyPatch.context() as patched,
        Path(os.devnull).open() as nothing,
        redirect_stdout(output),
        redirect_stderr(output),
    ):
        patched.chdir(directory)
        patched.setattr(sys, "stdin", nothing)
        for name in os.environ.keys() - environment.keys():
            patched.delenv(name)
        for name, value in environment.items():
            patched.setenv(name, value)
        main(shlex.split(command)[1:])
    output.seek(0)
    return output.read()


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(recorded_anew(path.read_text("utf-8")), encoding="utf-8")
