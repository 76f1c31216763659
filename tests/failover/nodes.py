"""
A host of a cluster: etcd on each, Patroni and its PostgreSQL on those that have data.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.failover.programs import (
    give_to_owner,
    postgres_programs,
    processes_in,
    signal_all,
    spawn,
)
from tests.failover.recipe import documented, rendered

__all__ = ["Node"]

_ASK_SECONDS = 2.0
_LONG_ASK_SECONDS = 60.0


class Node:
    """
    All that runs on one host, and dies with it.

    Args:
        top: Where its directory is made.

        network: What the addresses of the cluster begin with.

        number: Which host it is, from 1.

        has_data: Whether PostgreSQL runs here; etcd does anyway.

        changes: What of Patroni's file is another here, by what the page says.
    """

    def __init__(
        self,
        top: Path,
        network: str,
        number: int,
        *,
        has_data: bool,
        changes: Mapping[str, str],
    ) -> None:
        self.name: str = f"node{number}"
        self.host: str = f"{network}{number}"
        self.has_data: bool = has_data
        self._directory = top / self.name
        self._directory.mkdir()
        give_to_owner(self._directory)
        self._processes: list[Popen[bytes]] = []
        data, binaries = self._directory / "data", postgres_programs()
        places = {
            "/etc/etcd.yaml": {"/var/lib/etcd": str(self._directory / "etcd")},
            "/etc/patroni.yaml": {
                "/var/lib/postgresql/data": str(data),
                "/usr/lib/postgresql/18/bin": str(binaries),
                "/var/run/postgresql": str(self._directory),
                **changes,
            },
        }
        for path, changed in places.items():
            text = rendered(
                documented()[path], network=network, number=number, places=changed
            )
            (self._directory / Path(path).name).write_text(text, "utf-8")

    def start(self) -> None:
        """
        Start what a host starts when it comes up.
        """
        commands: list[Sequence[str]] = [("etcd", "--config-file=etcd.yaml")]
        if self.has_data:
            commands.append((sys.executable, "-m", "patroni", "patroni.yaml"))
        self._processes = [
            spawn(*command, directory=self._directory) for command in commands
        ]

    def kill(self) -> None:
        """
        Kill every process of the host at once, as ``kill -9`` does.
        """
        signal_all(self._directory, signal.SIGSTOP, signal.SIGKILL)
        for process in self._processes:
            process.wait()
        self._processes = []

    def freeze(self) -> None:
        """
        Stop every process where it is, until :meth:`thaw`.
        """
        signal_all(self._directory, signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let them go on.
        """
        signal_all(self._directory, signal.SIGCONT)

    def hold_replication(self) -> int:
        """
        Stop what sends the log to standbys, and return how many processes that is.
        """
        return len(
            signal_all(
                self._directory, signal.SIGSTOP, of=lambda title: "walsender" in title
            )
        )

    async def is_gone(self) -> None:
        """
        Wait until no process of it is left.
        """
        while processes_in(self._directory):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.05)

    async def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """
        Return what Patroni answers, as JSON or as text; None if it does not.
        """
        return await asyncio.to_thread(self._ask, path, body)

    def _ask(self, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(
            f"http://{self.host}:8008{path}",
            data=None if body is None else json.dumps(body).encode(),
        )
        seconds = _ASK_SECONDS if body is None else _LONG_ASK_SECONDS
        with suppress(OSError):
            try:
                with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 - its own
                    text = answer.read().decode()
            except urllib.error.HTTPError as error:
                text = error.read().decode()
            with suppress(ValueError):
                return json.loads(text)
            return text
        return None
