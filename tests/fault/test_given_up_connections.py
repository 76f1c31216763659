"""
Connections that are terminated in this process, while the driver is about to use them.
"""

from __future__ import annotations

from typing import Any

import pytest

from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import (
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from tests.fault.conftest import OpenEngine

pytestmark = pytest.mark.postgres


class TerminatedWhenPrepared:
    """
    What a connection talks to its server with, until it has prepared a statement.

    It is terminated in the very turn of the loop in which the answer has come.

    Args:
        connection: The driver's.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._protocol = connection._protocol
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    async def prepare(self, *args: Any, **options: Any) -> Any:
        """
        Prepare, and have the connection terminated.
        """
        self.count += 1
        answer = await self._protocol.prepare(*args, **options)
        self._connection.terminate()
        return answer


async def test_a_statement_on_a_connection_that_is_given_up_is_tried_again(
    migrated_postgres_url: str, open_engine: OpenEngine
) -> None:
    """
    The driver's own confusion about it reaches nobody.
    """
    engine = open_engine(migrated_postgres_url, pool_size=1, max_overflow=0)
    store = SQLSessionStore(engine)
    await store.open()
    async with engine.connect() as conn:
        driver: Any = (await conn.get_raw_connection()).driver_connection
    protocol = driver._protocol = TerminatedWhenPrepared(driver)
    result = make_execution_result(
        session=make_session(), run=make_run(), events=make_events(3)
    )
    await store.flush(result)

    assert protocol.count == 1
    assert [event.id for event in await store.get_events("ses_1")] == [
        event.id for event in result.events
    ]
    await store.aclose()
