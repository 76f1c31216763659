"""
A store that owns its engine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import sqlalchemy as sa

from asm_async.sql import migrations
from asm_async.sql.runtime.engine import Durability, create_engine
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
    engine = create_engine(url, durability=durability, **options)
    try:
        async with aclosing(SQLSessionStore(engine, timeout=timeout)) as store:
            if migrate:
                await migrations.upgrade(engine, timeout=timeout)
            await store.open()
            yield store
    finally:
        await engine.dispose()
