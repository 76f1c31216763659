"""
PostgreSQL ends a connection before it is set up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event

from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import make_event, make_session
from tests.fault.conftest import OpenEngine

pytestmark = pytest.mark.postgres


@pytest.fixture
async def store(
    migrated_postgres_url: str, open_engine: OpenEngine
) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store whose first three connections are ended as soon as they are there.
    """
    engine = open_engine(migrated_postgres_url)
    ends = [True] * 3

    async def end(driver: Any) -> None:
        driver.terminate()

    def on_connect(adapted: Any, _: object) -> None:
        if ends:
            ends.pop()
            adapted.run_async(end)

    # Before SQLAlchemy sets the connection up.
    pool: sa.Pool = engine.sync_engine.pool
    sa_event.listen(pool, "connect", on_connect, insert=True)
    store = SQLSessionStore(engine)
    yield store
    await store.aclose()
    assert not ends


async def test_a_connection_that_ends_while_it_is_set_up_is_replaced(
    store: SQLSessionStore,
) -> None:
    """
    The caller does not notice.
    """
    await store.save_session(make_session())
    await store.append_event(make_event())

    assert len(await store.get_events("ses_1")) == 1
