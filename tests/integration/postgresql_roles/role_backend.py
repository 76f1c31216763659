"""
A backend each of whose ports is connected as the role that it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.ports.history_transfer import MAX_LINE_BYTES, ImportReader
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.sql import SQLMaintenance, SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.values.transfer_reports import ImportReport
from tests.backends import SQLBackend, clock_at
from tests.postgres_roles import PostgresRoles

__all__ = ["RoleBackend"]


class _WriterStore(SQLSessionStore):
    """
    A store that is the writer's, but for the one call that a writer may not make.
    """

    def __init__(self, engine: AsyncEngine, maintainer: AsyncEngine) -> None:
        super().__init__(engine)
        self._maintainers = SQLSessionStore(maintainer)

    async def delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> None:
        """
        Delete the session as the maintainer, where the writer may be used at all.
        """
        async with self._lifecycle:
            await self._maintainers.delete_session(
                session_id, expected_tenant=expected_tenant
            )

    async def aclose(self) -> None:
        """
        Close both.
        """
        await self._maintainers.aclose()
        await super().aclose()


class _ReaderQueryAPI(SQLQueryAPI):
    """
    A query API that is the reader's, but for the one call that writes.
    """

    def __init__(self, engine: AsyncEngine, writer: AsyncEngine) -> None:
        super().__init__(engine)
        self._writers = SQLQueryAPI(writer)

    async def import_sessions(
        self,
        reader: ImportReader,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        """
        Import as the writer.
        """
        return await self._writers.import_sessions(
            reader, max_line_bytes=max_line_bytes, progress=progress
        )


class RoleBackend(SQLBackend):
    """
    Looks into the database as a superuser, and opens the ports as the roles.

    Args:
        roles: Who they are.

        url: Of a database in which they have their privileges.
    """

    def __init__(self, roles: PostgresRoles, url: str) -> None:
        super().__init__(roles.url_as("admin", url))
        self._urls = {
            role: roles.url_as(role, url) for role in ("writer", "reader", "maintainer")
        }

    async def open_store(self) -> SessionStore:
        """
        Open another store as the writer.
        """
        return _WriterStore(self._engine_as("writer"), self._engine_as("maintainer"))

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API as the reader.
        """
        return _ReaderQueryAPI(self._engine_as("reader"), self._engine_as("writer"))

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance as the maintainer.
        """
        return SQLMaintenance(self._engine_as("maintainer"), clock=clock_at(now))

    def _engine_as(self, role: str) -> AsyncEngine:
        engine = create_engine(self._urls[role])
        self._engines.append(engine)
        return engine
