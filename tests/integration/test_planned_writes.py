"""
How often PostgreSQL plans what is written again and again.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import (
    make_event,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.changes import Changes
from asm_async.values.execution_result import ExecutionResult
from tests.integration.query_plans import analyse
from tests.integration.test_fast_items import ports_on
from tests.integration.test_fast_path import QUIET

# The server takes as many plans for the values at hand before it compares their costs
# with those of a plan for any values (its manual, on PREPARE).
FIRST_PLANS = 5

TIMES = 12

# In a table of a page or two no plan is dearer than another.
FILL = """
    INSERT INTO asm_state_items (scope, key, content, updated_at, operation_id)
    SELECT 'other', 'key ' || number, convert_to(repeat('x', 100), 'UTF8'), now(), ''
    FROM generate_series(1, 5000) AS number
"""

PLANS = sa.text(
    "SELECT custom_plans, generic_plans FROM pg_prepared_statements"
    " WHERE statement LIKE '%clock_timestamp() AS moment%'"
    " AND custom_plans + generic_plans >= :times"
)


async def write_once(ports: SQLPorts, name: str) -> None:
    """
    Write one of each: appends, items, sessions, and commits of some or all of them.
    """
    store, state = ports.store, ports.state
    event, run = f"evt {name}", make_run(id=f"run {name}", session_id="ses_1")
    (seen,) = await state.save_items([make_item(scope="seen", session_id="ses_1")])
    expected = {(seen.scope, seen.key): seen.revision}
    await store.append_events([make_event(id=event)])
    await store.append_events([make_event(id=f"{event} {part}") for part in "ab"])
    items = tuple(make_item(scope="s", key=f"{name} {part}") for part in "ab")
    await store.commit(Changes(items=items), expected_revisions=expected)
    changes = Changes(events=(make_event(id=f"{event} c"),), items=items)
    await store.commit(changes, expected_revisions=expected)
    changes = Changes(
        events=(make_event(id=f"{event} d", run_id=run.id),), runs=(run,), items=items
    )
    await store.commit(changes, expected_revisions=expected)
    await store.save_run(run)
    await store.save_session(make_session(id=f"ses {name}"))
    await store.flush(
        ExecutionResult(
            session=make_session(id="ses_1"),
            run=run,
            events=(make_event(id=f"{event} e", run_id=run.id),),
        )
    )


@pytest.mark.postgres
async def test_no_usual_write_is_planned_each_time(migrated_postgres_url: str) -> None:
    """
    After its first uses each statement has one plan, whatever its parameters are.
    """
    engine = create_engine(
        migrated_postgres_url, pool_size=1, max_overflow=0, execution_options=QUIET
    )
    async with ports_on(engine) as ports:
        async with engine.begin() as conn:
            await conn.exec_driver_sql(FILL)
        await analyse(engine)
        for number in range(TIMES):
            await write_once(ports, str(number))
        async with engine.connect() as conn:
            rows = await conn.execute(PLANS, {"times": TIMES})
            plans = [(custom, generic) for custom, generic in rows]

    assert len(plans) == 9
    assert all(custom <= FIRST_PLANS for custom, _ in plans), plans
