"""
The wheel in an environment that has nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

PROGRAM = """
import asyncio
from asm_async import Session, __version__, open_store
from asm_async.conventions import message_sent


async def main():
    async with open_store("sqlite:///new.sqlite3", migrate=True) as store:
        session = await store.save_session(Session.new(agent_id="assistant"))
        await store.append_event(message_sent(session_id=session.id, content="hello"))
        (event,) = await store.get_events(session.id)
        print(__version__, event.sequence_number)


asyncio.run(main())
"""

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """
    Return what runs a program of an environment that has the wheel alone.
    """
    top = tmp_path_factory.mktemp("installed")
    environment = top / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet"]
    subprocess.run([*install, wheel], check=True)  # noqa: S603 - our own wheel

    def in_it(program: str, *arguments: str) -> str:
        command = [str(environment / "bin" / program), *arguments]
        # Nothing of the checkout, nor of the environment of the tests.
        plain = {
            name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ
        }
        return subprocess.run(  # noqa: S603 - what was just installed
            command, check=True, capture_output=True, text=True, cwd=top, env=plain
        ).stdout

    return in_it


def test_a_store_works_from_the_wheel_alone(run: Run) -> None:
    """
    What the wheel brings is enough to migrate a file, append to it and read it.
    """
    assert run("python", "-c", PROGRAM) == f"{version('asm_async')} 1\n"


def test_the_command_line_works_from_the_wheel_alone(run: Run) -> None:
    """
    The schema's scripts are in the wheel, and the command line prints them.
    """
    printed = run("asm", "db", "sql", "--dialect", "sqlite")

    assert "CREATE TABLE asm_sessions" in printed


def test_the_console_script_tells_the_version(run: Run) -> None:
    """
    ``asm`` is there, and is of the version that was built.
    """
    assert run("asm", "--version") == f"{version('asm_async')}\n"


def test_what_is_not_installed_is_named(run: Run) -> None:
    """
    Without a driver for PostgreSQL, the error says what brings one.
    """
    program = """
from asm_async.errors import MissingDependencyError
from asm_async.sql import create_engine
try:
    create_engine("postgresql://localhost/app")
except MissingDependencyError as error:
    print(error)
"""
    assert ".[postgres]" in run("python", "-c", program)
