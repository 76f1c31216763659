"""
A store, or all ports, with an engine of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import sqlalchemy as sa

from asm_async.sql import migrations
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.ports import SQLPorts
from asm_async.sql.readers.readers import readers_of
from asm_async.sql.runtime.engine import Durability, create_engine, dispose_within
from asm_async.sql.session_store import SQLSessionStore


@asynccontextmanager
async def open_store(
    url: str | sa.URL,
    *,
    migrate: bool = False,
    timeout: float = 30.0,
    durability: Durability = "full",
    **options: Any,
) -> AsyncGenerator[SQLSessionStore]:
    """
    Open a store for as long as the ``async with`` block lasts.

    Args:
        url:
            ``sqlite+aiosqlite:///path``, ``sqlite+aiosqlite://`` (in memory), or
            ``postgresql+asyncpg://user:password@host/database``.

        migrate: Bring the database's schema up to date first.

        timeout: As for :class:`~asm_async.sql.session_store.SQLSessionStore`.

        durability: As for :func:`~asm_async.sql.create_engine`.

        options: For SQLAlchemy's ``create_async_engine``.

    Raises:
        MigrationRequiredError: If the schema is missing, older or newer than this code;
            only a newer one where *migrate* is set.

        UnsupportedOperationError: If the database is too old, or another than these.

        StorageUnavailableError: If it cannot be reached within *timeout*.
    """
    ports = open_ports(
        url, migrate=migrate, timeout=timeout, durability=durability, **options
    )
    async with ports as opened:
        yield opened.store


@asynccontextmanager
async def open_ports(
    url: str | sa.URL,
    *,
    migrate: bool = False,
    timeout: float = 30.0,
    durability: Durability = "full",
    readers: Sequence[str | sa.URL] = (),
    max_lag: float = 10.0,
    **options: Any,
) -> AsyncGenerator[SQLPorts]:
    """
    Open all ports over one database for as long as the ``async with`` block lasts.

    They share an engine, which is theirs, and is disposed of in the end.

    Args:
        url: As for :func:`open_store`.

        migrate: Bring the database's schema up to date first.

        timeout: As for :class:`~asm_async.sql.session_store.SQLSessionStore`, for all
            ports alike.

        durability: As for :func:`~asm_async.sql.create_engine`.

        readers: URLs of hot standbys of a PostgreSQL server. They answer what may lag:
            searches, exports and all else of ``query`` but imports, ``search_text``,
            and followers; on request, see :meth:`~asm_async.sql.Readers.reading`, also
            what is read through ``store``. The primary answers where they cannot.

        max_lag: How far, in seconds, a standby may be behind before it is not read.

        options: For SQLAlchemy's ``create_async_engine``.

    Raises:
        MigrationRequiredError: As :func:`open_store` does, and what else that does; a
            standby that cannot be read from is no reason to raise.
    """
    seconds = check_timeout(timeout)
    async with AsyncExitStack() as closing:
        engine = create_engine(url, durability=durability, **options)
        closing.push_async_callback(dispose_within, engine, seconds)
        standbys = readers_of(
            engine, readers, timeout=timeout, max_lag=max_lag, **options
        )
        if standbys is not None:
            await closing.enter_async_context(standbys)
        ports = SQLPorts(engine, timeout=timeout, readers=standbys)
        await closing.enter_async_context(ports)
        if migrate:
            await migrations.upgrade(engine, timeout=timeout)
        await ports.store.open()
        yield ports
