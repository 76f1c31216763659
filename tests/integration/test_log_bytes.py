"""
What an event costs of PostgreSQL's write-ahead log, in bytes.
"""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest
import sqlalchemy as sa

from asm_async import Event, Session
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.values.event import EventType
from asm_async.values.ids import new_run_id

pytestmark = pytest.mark.postgres

AGENTS = 32
SESSIONS = 320
EVENTS_PER_SESSION = 20
TYPES = list(EventType)[:7]
DATA = {"text": "x" * 280}

# The bar is 1,400 bytes with the pages that are written whole after a checkpoint, which
# are 25 to 30 bytes of an event where 100 follow each other in a session, and are left
# out here. What is left depends on how many events share a transaction: 16 cost 1,370
# each, 32 and more 1,363, and a slow machine lets more of them share one.
MOST_BYTES = 1_372

POSITION = sa.text("SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT)")


@pytest.fixture(params=["migrated_postgres_url", "partitioned_url"])
def place(request: pytest.FixtureRequest) -> str:
    """
    Return a database without partitions and one with eight, in turn.
    """
    return str(request.getfixturevalue(request.param))


async def test_an_event_costs_few_bytes_of_the_log(place: str) -> None:
    """
    With 291 bytes of data, a run and a type, appended by 32 agents at once.
    """
    engine = create_engine(place)
    store = SQLSessionStore(engine)
    sessions = [Session.new(agent_id="agent") for _ in range(SESSIONS)]
    for session in sessions:
        await store.save_session(session)

    runs = {session.id: new_run_id() for session in sessions}

    async def agent(number: int, turns: int) -> None:
        for turn in range(turns):
            for session in islice(sessions, number, None, AGENTS):
                await store.append_event(
                    Event.new(
                        type=TYPES[turn % len(TYPES)],
                        session_id=session.id,
                        run_id=runs[session.id],
                        data=DATA,
                    )
                )

    async def append(turns: int) -> None:
        await asyncio.gather(*(agent(number, turns) for number in range(AGENTS)))

    async with engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        # None comes by itself meanwhile, and what has to be written whole after one is.
        await conn.execute(sa.text("CHECKPOINT"))
        await append(1)
        before = await conn.scalar(POSITION)
        await append(EVENTS_PER_SESSION)
        written = await conn.scalar(POSITION) - before
    await store.aclose()
    await engine.dispose()
    assert written / (SESSIONS * EVENTS_PER_SESSION) <= MOST_BYTES
