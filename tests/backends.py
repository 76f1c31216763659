"""
The backends that the contract suites run over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.conventions.texts import EventTexts
from asm_async.fronts.retention import utc_now
from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryDatabase,
    InMemoryEventFeed,
    InMemoryMaintenance,
    InMemoryQueryAPI,
    InMemorySessionStore,
    InMemoryStateStore,
    InMemoryTextIndex,
)
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.sql import (
    SQLArtifactRegistry,
    SQLEventFeed,
    SQLMaintenance,
    SQLQueryAPI,
    SQLSessionStore,
    SQLStateStore,
    SQLTextIndex,
    create_engine,
    migrations,
)
from asm_async.sql.core import tables
from asm_async.sql.core.activity import latest_coarse
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.testing.backend import Gate
from asm_async.values.maintenance import HealthIssueKind
from tests.damage import damage_memory, damage_sql

__all__ = ["InMemoryBackend", "SQLBackend", "migrate"]


_SQLITE_SCHEMA = Path(__file__).parents[1] / "schema" / "sqlite.sql"


async def migrate(engine: AsyncEngine, *, partitions: int | None = None) -> None:
    """
    Make our tables and dispose of *engine*.
    """
    await migrations.upgrade(engine, partitions=partitions)
    await engine.dispose()


async def _make_tables(engine: AsyncEngine) -> None:
    """
    Make our tables in SQLite in a fifth of the time that the migrations take.
    """
    script = _SQLITE_SCHEMA.read_text("utf-8")
    async with engine.connect() as conn:
        driver = (await conn.get_raw_connection()).driver_connection
        assert isinstance(driver, aiosqlite.Connection)
        await driver.executescript(script)


def clock_at(now: datetime | None) -> Callable[[], datetime]:
    """
    Return a clock that stands at *now*, or the real one.
    """
    return utc_now if now is None else lambda: now


class InMemoryBackend:
    """
    Stores that share an :class:`InMemoryDatabase`.

    Args:
        database: Which one; a new one if None.
    """

    def __init__(self, database: InMemoryDatabase | None = None) -> None:
        self._database = InMemoryDatabase() if database is None else database

    async def open_store(self) -> SessionStore:
        """
        Open another store on the one database.
        """
        return InMemorySessionStore(self._database)

    async def open_state_store(self) -> StateStore:
        """
        Open another state store on the one database.
        """
        return InMemoryStateStore(self._database)

    async def open_artifact_registry(self) -> ArtifactRegistry:
        """
        Open another artifact registry on the one database.
        """
        return InMemoryArtifactRegistry(self._database)

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed on the one database.
        """
        return InMemoryEventFeed(self._database)

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API on the one database.
        """
        return InMemoryQueryAPI(self._database)

    async def open_text_search(self, *, texts: EventTexts) -> TextSearch:
        """
        Open another index of texts on the one database.
        """
        return InMemoryTextIndex(self._database, texts=texts)

    async def count_indexed(self) -> int:
        """
        Count the indexed events of all sessions.
        """
        return sum(map(len, self._database.texts.texts.values()))

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance of the one database.
        """
        return InMemoryMaintenance(self._database, clock=clock_at(now))

    async def set_last_activity(self, session_id: str, at: datetime) -> None:
        """
        Have a stored session have been last written to then.
        """
        self._database.note_activity(session_id, at)

    async def damage(self, kind: HealthIssueKind, session_id: str) -> str | None:
        """
        Reach into the dictionaries.
        """
        return damage_memory(self._database, kind, session_id)

    async def soft_delete(self, session_id: str) -> None:
        """
        Mark a live session as deleted.
        """
        self._database.soft_delete(session_id, datetime.now(UTC))

    async def restore(self, session_id: str) -> None:
        """
        Undo :meth:`soft_delete`.
        """
        self._database.restore(session_id)

    async def prune(self, session_id: str, sequence_numbers: Collection[int]) -> None:
        """
        Remove events of a session that goes on living.
        """
        pruned = self._database.prune(session_id, sequence_numbers)
        assert pruned == len(sequence_numbers)

    async def gates(self) -> Mapping[str, Gate]:
        """
        Return the counters of all sessions that are or ever were.
        """
        return {
            session_id: Gate(
                latest=gate.latest,
                stored=len(self._database.events.get(session_id, ())),
                pruned=gate.pruned,
                state=self._state(session_id),
            )
            for session_id, gate in self._database.gates.items()
        }

    def _state(self, session_id: str) -> str:
        session = self._database.sessions.get(session_id)
        if session is None:
            return "deleted"
        return "live" if session.deleted_at is None else "soft_deleted"


class SQLBackend:
    """
    Stores on one SQL database, each with an engine of its own, as other processes have.

    A database in memory lives in its one connection, so there all share an engine.

    Args:
        url: Of a database that has our tables; one in memory gets them here.

        make_engine: Makes the engines.
    """

    def __init__(
        self, url: str, make_engine: Callable[[str], AsyncEngine] = create_engine
    ) -> None:
        self._url = url
        self._make_engine = make_engine
        self._engine = make_engine(url)
        self._engines = [self._engine]
        self._is_taken = False
        self._is_in_memory = self._engine.url.database is None

    async def __aenter__(self) -> Self:
        if self._is_in_memory:
            await _make_tables(self._engine)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._settle()
        for engine in self._engines:
            assert isinstance(engine.pool, QueuePool)
            assert engine.pool.checkedout() == 0
            await engine.dispose()

    async def open_store(self) -> SessionStore:
        """
        Open another store.
        """
        return SQLSessionStore(self.another_engine())

    async def open_state_store(self) -> StateStore:
        """
        Open another state store.
        """
        return SQLStateStore(self.another_engine())

    async def open_artifact_registry(self) -> ArtifactRegistry:
        """
        Open another artifact registry.
        """
        return SQLArtifactRegistry(self.another_engine())

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed.
        """
        return SQLEventFeed(self.another_engine())

    async def open_text_search(self, *, texts: EventTexts) -> TextSearch:
        """
        Open another index of texts.
        """
        return SQLTextIndex(self.another_engine(), texts=texts)

    async def count_indexed(self) -> int:
        """
        Count the rows of events.
        """
        query = "SELECT count(*) FROM asm_text_rows WHERE sequence_number > 0"
        async with self._engine.connect() as conn:
            return int((await conn.exec_driver_sql(query)).scalar_one())

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API.
        """
        return SQLQueryAPI(self.another_engine())

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance.
        """
        return SQLMaintenance(self.another_engine(), clock=clock_at(now))

    async def set_last_activity(self, session_id: str, at: datetime) -> None:
        """
        Have a stored session have been last written to then.
        """
        gates = tables.session_sequences
        change = sa.update(gates).where(gates.c.session_id == session_id)
        async with self._engine.begin() as conn:
            await conn.execute(
                change.values(updated_at=at, active_until=latest_coarse(at))
            )

    async def damage(self, kind: HealthIssueKind, session_id: str) -> str | None:
        """
        Write past the store.
        """
        async with self._engine.begin() as conn:
            return await damage_sql(conn, kind, session_id)

    def another_engine(self) -> AsyncEngine:
        """
        Return an engine that no store has yet, which is disposed of in the end.

        The first store has the one that this backend looks with: to connect a second
        time takes longer than most tests.
        """
        if self._is_taken and not self._is_in_memory:
            self._engines.append(self._make_engine(self._url))
        self._is_taken = True
        return self._engines[-1]

    async def soft_delete(self, session_id: str) -> None:
        """
        Mark a live session as deleted and close its gate.
        """
        await self._set_deletion(session_id, datetime.now(UTC), "soft_deleted")

    async def restore(self, session_id: str) -> None:
        """
        Undo :meth:`soft_delete`.
        """
        await self._set_deletion(session_id, None, "live")

    async def prune(self, session_id: str, sequence_numbers: Collection[int]) -> None:
        """
        Remove events and count them in the gate.
        """
        events, gates = tables.events, tables.session_sequences
        pruned_count = gates.c.pruned_count + len(sequence_numbers)
        async with self._engine.begin() as conn:
            await conn.execute(
                sa.update(gates)
                .where(gates.c.session_id == session_id)
                .values(pruned_count=pruned_count)
            )
            deleted = await conn.execute(
                sa.delete(events).where(
                    events.c.session_id == session_id,
                    events.c.sequence_number.in_(sequence_numbers),
                )
            )
            assert deleted.rowcount == len(sequence_numbers)

    async def gates(self) -> Mapping[str, Gate]:
        """
        Read the counters and count the events, in one statement.
        """
        # The suites call this last, and then look for tasks that are left; nobody
        # closes a maintenance, whose announcements may still be on their way.
        await self._settle()
        gates, events = tables.session_sequences, tables.events
        stored = (
            sa.select(sa.func.count())
            .where(events.c.session_id == gates.c.session_id)
            .label("stored")
        )
        query = sa.select(
            gates.c.session_id,
            gates.c.last_sequence,
            stored,
            gates.c.pruned_count,
            gates.c.state,
        )
        async with self._engine.connect() as conn:
            return {
                row.session_id: Gate(
                    latest=row.last_sequence,
                    stored=row.stored,
                    pruned=row.pruned_count,
                    state=row.state,
                )
                for row in await conn.execute(query)
            }

    async def _settle(self) -> None:
        for engine in self._engines:
            await shared_state(engine).announcer.settle()

    async def _set_deletion(
        self, session_id: str, deleted_at: datetime | None, state: str
    ) -> None:
        sessions, gates = tables.sessions, tables.session_sequences
        async with self._engine.begin() as conn:
            await conn.execute(
                sa.update(gates)
                .where(gates.c.session_id == session_id)
                .values(state=state)
            )
            await conn.execute(
                sa.update(sessions)
                .where(sessions.c.id == session_id)
                .values(deleted_at=deleted_at)
            )
