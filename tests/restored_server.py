"""
A PostgreSQL server that is made of another's base backup and archived log.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import sqlalchemy as sa

from tests.postgres_server import PostgresServer, give_away
from tests.standby_server import ask

__all__ = ["ArchivingServer", "RestoredServer"]

_SECONDS = 30


class ArchivingServer(PostgresServer):
    """
    A server that archives its log, so that any moment of it can be restored.
    """

    def __init__(self) -> None:
        super().__init__({"archive_mode": "on", "archive_command": "cp %p archive/%f"})
        self.archive: Path = self.directory / "data" / "archive"
        self.backup: Path = self.directory / "backup"

    def _make_cluster(self) -> None:
        super()._make_cluster()
        # The command runs in the directory of the data.
        self.archive.mkdir()
        give_away(self.archive)

    def back_up(self) -> None:
        """
        Take a base backup, and verify it.
        """
        arguments = [f"--dbname={self.url}", f"--pgdata={self.backup}", "--no-sync"]
        self.run("pg_basebackup", "--checkpoint=fast", *arguments)
        self.run("pg_verifybackup", str(self.backup))

    async def name_this_moment(self, name: str) -> None:
        """
        Give what is committed by now a name that can be restored.
        """
        await ask(self.url, f"SELECT pg_create_restore_point('{name}')")

    async def archive_all(self) -> None:
        """
        Wait until the log is archived as far as it is written.
        """
        segment = await ask(self.url, "SELECT pg_walfile_name(pg_switch_wal())")
        async with asyncio.timeout(_SECONDS):
            while not (self.archive / segment).exists():  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)


class RestoredServer(PostgresServer):
    """
    A server of its own, with what another one had at a moment.

    Args:
        source: Which has a backup of before that moment.

        moment: Its name.
    """

    def __init__(self, source: ArchivingServer, moment: str) -> None:
        super().__init__(
            {
                "restore_command": f"cp {source.archive}/%f %p",
                "recovery_target_name": moment,
                "recovery_target_action": "promote",
            }
        )
        self._source = source
        self._password = str(sa.make_url(source.url).password)

    def _make_cluster(self) -> None:
        shutil.copytree(self._source.backup, self._data)
        (self._data / "recovery.signal").touch()
        for path in (self._data, *self._data.rglob("*")):
            give_away(path)

    async def take_over(self) -> None:
        """
        Wait until it has all that was there at the moment, and takes writes.
        """
        async with asyncio.timeout(_SECONDS):
            while await ask(self.url, "SELECT pg_is_in_recovery()"):  # noqa: ASYNC110 - none is set
                await asyncio.sleep(0.01)
