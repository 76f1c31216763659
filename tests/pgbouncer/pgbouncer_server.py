"""
PgBouncer in transaction mode, in front of a PostgreSQL server.

As root, where it refuses to run, it runs as ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

import sqlalchemy as sa

__all__ = ["PgBouncer"]

_START_SECONDS = 30

# So few connections to the server that every test has to share them.
_SERVER_CONNECTIONS = 2

_CONFIGURATION = """
[databases]
* = host={host} port={port} user={user} password={password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 1000
server_round_robin = 1
"""


class PgBouncer:
    """
    One PgBouncer, for whatever databases there are on a server.

    Args:
        server_url: Of a database on the server; everybody comes in as its user.

        directory: An empty one, for its configuration and its log.
    """

    def __init__(self, server_url: str, directory: Path) -> None:
        self._server = sa.make_url(server_url)
        self._directory = directory
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database_url: str) -> sa.URL:
        """
        Return the way through PgBouncer to a database of the server's.
        """
        database = sa.make_url(database_url).database
        return sa.URL.create(
            "postgresql+asyncpg",
            username="anybody",
            host="127.0.0.1",
            port=self._port,
            database=database,
        )

    def start(self) -> None:
        """
        Start it and wait until it takes connections.
        """
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise RuntimeError("there is no pgbouncer: install one (Debian: apt-get)")
        configuration = self._directory / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                host=self._server.host,
                port=self._server.port,
                user=self._server.username,
                password=self._server.password,
                own_port=self._port,
                size=_SERVER_CONNECTIONS,
            )
        )
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if owner is not None:
            # Whoever it runs as has no business in pytest's own directories.
            os.chown(configuration, owner.pw_uid, owner.pw_gid)
        with (
            configuration.open("rb") as file,
            (self._directory / "log").open("wb") as log,
        ):
            self._process = subprocess.Popen(  # noqa: S603 - the program that was found
                [program, f"/dev/fd/{file.fileno()}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[file.fileno()],
                user=owner and owner.pw_uid,
                group=owner and owner.pw_gid,
                extra_groups=owner and (),
            )
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """
        End it at once.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self._directory / "log").read_text()
                    raise RuntimeError(f"pgbouncer did not start:\n{log}") from None
                time.sleep(0.02)
            else:
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
