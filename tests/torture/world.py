"""
A database with all the ports on it, and what must not be left behind there.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.encryption import KeyStore, encrypted_ports
from asm_async.errors import NotFoundError, SessionDeletedError
from asm_async.files import LocalArtifactStore
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
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.ports.together import Ports as TogetherPorts
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
from asm_async.testing.factories import make_event
from tests.encrypted_ports import key_ring

__all__ = [
    "Ports",
    "World",
    "encrypting_ports",
    "later",
    "open_world",
    "sql_ports",
]

Clock: TypeAlias = Callable[[], datetime]

_TIMEOUT_SECONDS = 5.0
_PROMPT_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class Ports:
    """
    All ports over one database.
    """

    store: SessionStore
    state: StateStore
    query_api: QueryAPI
    maintenance: Maintenance
    registry: ArtifactRegistry
    feed: EventFeed
    text_search: TextSearch
    contents: ArtifactStore
    another: Callable[[], Ports]
    """
    Makes others of the same.
    """

    async def aclose(self) -> None:
        """
        Close those that can be closed.
        """
        await self.text_search.aclose()
        await self.feed.aclose()
        await self.state.aclose()
        await self.store.aclose()


def later() -> datetime:
    """
    Return a time at which everything that can expire has expired.
    """
    return datetime.now(UTC) + timedelta(days=400)


def sql_ports(
    engine: AsyncEngine,
    contents: ArtifactStore,
    clock: Clock,
    timeout: float = _TIMEOUT_SECONDS,
) -> Ports:
    """
    Make the ports over an engine.
    """
    return Ports(
        store=SQLSessionStore(engine, timeout=timeout),
        state=SQLStateStore(engine, timeout=timeout),
        query_api=SQLQueryAPI(engine, timeout=timeout),
        maintenance=SQLMaintenance(engine, timeout=timeout, clock=clock),
        registry=SQLArtifactRegistry(engine, timeout=timeout),
        feed=SQLEventFeed(engine, timeout=timeout),
        text_search=SQLTextIndex(engine, timeout=timeout),
        contents=contents,
        another=lambda: sql_ports(engine, contents, clock, timeout),
    )


def memory_ports(
    database: InMemoryDatabase, contents: ArtifactStore, clock: Clock
) -> Ports:
    """
    Make the ports over a database in memory.
    """
    return Ports(
        store=InMemorySessionStore(database),
        state=InMemoryStateStore(database),
        query_api=InMemoryQueryAPI(database),
        maintenance=InMemoryMaintenance(database, clock=clock),
        registry=InMemoryArtifactRegistry(database),
        feed=InMemoryEventFeed(database),
        text_search=InMemoryTextIndex(database),
        contents=contents,
        another=lambda: memory_ports(database, contents, clock),
    )


def encrypting_ports(ports: Ports, key_store: KeyStore) -> Ports:
    """
    Make ports that encrypt in front of others; contents stay as they are.
    """
    whole = encrypted_ports(
        TogetherPorts(
            store=ports.store,
            state=ports.state,
            query=ports.query_api,
            maintenance=ports.maintenance,
            feed=ports.feed,
            artifacts=ports.registry,
        ),
        keys=key_ring(key_store),
    )
    return Ports(
        store=whole.store,
        state=whole.state,
        query_api=whole.query,
        maintenance=whole.maintenance,
        registry=whole.artifacts,
        feed=whole.feed,
        contents=ports.contents,
        text_search=ports.text_search,
        another=lambda: encrypting_ports(ports.another(), key_store),
    )


@attrs.frozen(kw_only=True)
class World:
    """
    The ports that misfortune befalls, and those of somebody else who looks on.
    """

    url: str | None
    ports: Ports
    others: Ports
    directory: Path
    """
    Where contents lie.
    """

    engine: AsyncEngine | None
    """
    Whose connections the ports have; the adapter in memory has none.
    """

    others_engine: AsyncEngine | None

    key_store: KeyStore | None = None
    """
    Where the keys are by which the ports encrypt; None if they do not.
    """

    tasks: Collection[asyncio.Task[Any]] = attrs.field(factory=asyncio.all_tasks)
    """
    Those there were before, which are not the ports'.
    """

    @property
    def is_shared(self) -> bool:
        """
        Whether several connections can see the database.
        """
        return self.engine is not None and self.engine is not self.others_engine

    @property
    def can_be_cut(self) -> bool:
        """
        Whether connections can break.
        """
        return self.engine is not None and self.engine.dialect.name == "postgresql"

    async def connect_anew(self) -> None:
        """
        Have the ports make new connections, unless the database would go with them.
        """
        if self.engine is not None and self.is_shared:
            await self.engine.dispose()

    async def aclose(self) -> None:
        """
        Close all that was opened.
        """
        await self.ports.aclose()
        await self.others.aclose()
        for engine in (self.engine, self.others_engine):
            if engine is not None:
                await engine.dispose()

    async def check_nothing_is_left(self) -> None:
        """
        Assert that no task, connection, lock or file is left by calls that have ended.
        """
        await self._wait_for_tasks()
        assert not list((self.directory / "tmp").glob("*"))
        for engine in (self.engine, self.others_engine):
            if engine is not None:
                assert isinstance(engine.pool, QueuePool)
                assert engine.pool.checkedout() == 0, "a connection was not given back"
        await self._check_locks()

    async def check_others_can_write(self, session_id: str) -> None:
        """
        Assert that somebody else can append to a session at once, if it is there.
        """
        with suppress(NotFoundError, SessionDeletedError):
            async with asyncio.timeout(_PROMPT_SECONDS):
                event = make_event(id="evt_prompt", session_id=session_id)
                await self.others.store.append_event(event)

    async def _wait_for_tasks(self) -> None:
        if left := self._own_tasks():
            await asyncio.wait(left, timeout=_TIMEOUT_SECONDS)
        assert not self._own_tasks(), f"tasks go on: {self._own_tasks()}"

    def _own_tasks(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {asyncio.current_task(), *self.tasks}

    async def _check_locks(self) -> None:
        if self.engine is None or not self.is_shared:
            return
        if self.engine.dialect.name == "postgresql":
            await _check_backends(self.engine, self.others_engine)
        else:
            path = str(self.engine.url.database)
            with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")


_BACKENDS = sa.text(
    """
    SELECT state, xact_start IS NOT NULL AS is_busy, query FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
    """
)


async def _check_backends(engine: AsyncEngine, others: AsyncEngine | None) -> None:
    """
    Assert that the server has no other connections than the pools, all of them idle.
    """
    assert others is not None
    end = asyncio.get_running_loop().time() + _TIMEOUT_SECONDS
    async with others.connect() as conn:
        while True:
            pools = [engine.pool, others.pool]
            pooled = sum(p.checkedin() for p in pools if isinstance(p, QueuePool))
            backends = (await conn.execute(_BACKENDS)).all()
            # What one transaction sees of the others stays the same.
            await conn.rollback()
            if len(backends) <= pooled and not any(row.is_busy for row in backends):
                return
            assert asyncio.get_running_loop().time() < end, f"{pooled}: {backends}"


@asynccontextmanager
async def open_world(
    url: str | None, directory: Path, *, key_store: KeyStore | None = None
) -> AsyncGenerator[World]:
    """
    Open all ports over a database twice.

    Args:
        url: The database's; None for the adapter in memory.

        directory: Where to keep contents.

        key_store: Where the keys are by which they encrypt; None to encrypt nothing.
    """
    contents = LocalArtifactStore(directory)
    if url is None:
        database = InMemoryDatabase()
        engine = others_engine = None
        ports = memory_ports(database, contents, later)
        others = memory_ports(database, contents, utc_now)
    else:
        engine, others_engine = _open_engines(url)
        if engine is others_engine:
            await migrations.upgrade(engine)
        ports = sql_ports(engine, contents, later)
        others = sql_ports(others_engine, contents, utc_now)
    if key_store is not None:
        ports = encrypting_ports(ports, key_store)
        others = encrypting_ports(others, key_store)
    world = World(
        url=url,
        ports=ports,
        others=others,
        directory=directory,
        engine=engine,
        others_engine=others_engine,
        key_store=key_store,
    )
    try:
        yield world
    finally:
        await world.aclose()


def _open_engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """
    Make an engine each; a database in memory has but one.
    """
    options: dict[str, Any] = {
        "durability": "relaxed",
        # What is announced is announced at any moment, and its awaits are nobody's.
        "execution_options": {"asm_announces": False},
    }
    engine = create_engine(url, **options)
    is_alone = sa.make_url(url).database is None
    return engine, engine if is_alone else create_engine(url, **options)
