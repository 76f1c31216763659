"""
Pools that people choose, on which the promises cannot be kept.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import (
    AssertionPool,
    AsyncAdaptedQueuePool,
    NullPool,
    QueuePool,
    StaticPool,
)

from asm_async.errors import UnsupportedOperationError
from asm_async.sql import SQLSessionStore, create_engine, migrations
from asm_async.testing.factories import make_event, make_session


@pytest.mark.parametrize(
    "options",
    [
        {"poolclass": StaticPool},
        {"poolclass": NullPool},
        {"poolclass": QueuePool},
        {"poolclass": AssertionPool},
        {"pool_size": 5},
        {"pool_size": 0},
        {"max_overflow": 10},
        {"pool_recycle": 3_600},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true",
        "sqlite+aiosqlite:///file:log?mode=memory&cache=shared&uri=true",
        "sqlite+aiosqlite:///file:?uri=true",
        "sqlite+aiosqlite:///file:/log?vfs=memdb&uri=true",
    ],
)
async def test_another_pool_in_memory_is_refused(
    url: str, options: dict[str, Any]
) -> None:
    """
    Each of its connections would have a database of its own, or one would be lost.
    """
    with pytest.raises(UnsupportedOperationError, match="leave"):
        create_engine(url, **options)
    usual = create_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=1)
    await migrations.upgrade(usual)
    assert await SQLSessionStore(usual).list_sessions() == []
    await usual.dispose()


@pytest.mark.parametrize("poolclass", [StaticPool, NullPool, AsyncAdaptedQueuePool])
async def test_a_hosts_pool_that_loses_a_database_in_memory_is_refused(
    poolclass: Any,
) -> None:
    """
    At the first call, since the engine was made by somebody else.
    """
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=poolclass)
    for call in (SQLSessionStore(engine).list_sessions(), migrations.upgrade(engine)):
        with pytest.raises(UnsupportedOperationError, match=poolclass.__name__):
            await call
    await engine.dispose()


@pytest.mark.parametrize("poolclass", [StaticPool, AssertionPool, QueuePool])
async def test_a_pool_that_tasks_cannot_share_is_refused(
    url: str, poolclass: Any
) -> None:
    """
    On both databases, when the engine is made or first used, by an error of ours.
    """
    with pytest.raises(UnsupportedOperationError, match=poolclass.__name__):
        await migrations.upgrade(create_engine(url, poolclass=poolclass))


async def test_who_begins_to_listen_to_a_pool_in_use_hears_of_each_check_out(
    url: str,
) -> None:
    """
    Also of those that the store makes past SQLAlchemy while nobody listens.
    """
    engine = create_engine(url, execution_options={"asm_announces": False})
    await migrations.upgrade(engine)
    store, heard = SQLSessionStore(engine), list[str]()
    await store.save_session(make_session())

    def hear(name: str, *_: object) -> None:
        heard.append(name)

    for name in ("checkout", "checkin"):
        sa_event.listen(engine.pool, name, partial(hear, name))

    await store.append_event(make_event())

    assert heard == ["checkout", "checkin"]
    await engine.dispose()
