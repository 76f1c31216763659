from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event

from asm_async import open_ports
from asm_async.cli.main import main
from tests.postgres_databases import PostgresDatabases
from tests.shown_history import store_history

RunProgram: TypeAlias = Callable[..., subprocess.CompletedProcess[bytes]]
Printed: TypeAlias = Callable[..., str]

PROGRAM = Path(sys.executable).with_name("asm")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Keep a database and colours of the user's own out of these tests.
    """
    for name in ("ASM_DATABASE_URL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def store_shown_history(url: str) -> None:
    """
    Store the history that the commands show.
    """

    async def store() -> None:
        async with open_ports(url, migrate=True) as ports:
            await store_history(ports)

    asyncio.run(store())


@pytest.fixture(scope="session")
def shown_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return an SQLite file with the history that is copied, never used.
    """
    path = tmp_path_factory.mktemp("shown") / "agents.sqlite3"
    store_shown_history(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def shown_postgres_template(
    postgres_databases: PostgresDatabases, postgres_template: str
) -> Iterator[str]:
    """
    Yield the name of a PostgreSQL database with the history that is copied, never used.
    """
    with postgres_databases.copy(postgres_template) as url:
        store_shown_history(url)
        yield str(sa.make_url(url).database)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """
    Yield a database of each kind in turn, with the history.
    """
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("shown_sqlite_file")
        path = shutil.copy(template, tmp_path / "asm.sqlite3")
        yield f"sqlite+aiosqlite:///{path}"
        return
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    name: str = request.getfixturevalue("shown_postgres_template")
    with databases.copy(name) as url:
        yield url
        assert databases.count_deadlocks(url) == 0


@pytest.fixture
def file(tmp_path: Path, shown_sqlite_file: Path) -> Path:
    """
    Return an SQLite file with the history.
    """
    return Path(shutil.copy(shown_sqlite_file, tmp_path / "agents.sqlite3"))


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """
    Return the function that runs a command, which succeeds, and returns its output.
    """

    def run(*arguments: object) -> str:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        output = capsys.readouterr()
        assert code == 0, output.err
        return output.out

    return run


@pytest.fixture
def document(printed: Printed) -> Callable[..., Any]:
    """
    Return the function that runs a command with --json and returns the document.
    """

    def run(*arguments: object) -> Any:
        return json.loads(printed(*arguments, "--json"))

    return run


@pytest.fixture
def run_program() -> RunProgram:
    """
    Return the function that runs the program as a process, as a shell does.
    """

    def run(
        *arguments: object, stdin: bytes = b"", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 - the program under test
            [PROGRAM, *map(str, arguments)],
            check=False,
            capture_output=True,
            env={**os.environ, **environment},
            input=stdin,
        )

    return run


@pytest.fixture
def interrupt_at() -> Iterator[Callable[[str], None]]:
    """
    Yield the function that has Ctrl-C pressed before a statement that holds a text.
    """
    parts: list[str] = []

    def press(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if parts and parts[0] in statement:
            parts.clear()
            signal.raise_signal(signal.SIGINT)

    sa_event.listen(sa.Engine, "before_cursor_execute", press)
    yield parts.append
    sa_event.remove(sa.Engine, "before_cursor_execute", press)
