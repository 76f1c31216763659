from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine, migrations
from asm_async.sql.core import tables
from asm_async.sql.dialects.partitions import MAX_PARTITIONS
from asm_async.testing.factories import make_event, make_run, make_session

pytestmark = pytest.mark.postgres

ReadCatalog: TypeAlias = Callable[[AsyncEngine], Awaitable[list[tuple[object, ...]]]]
ApplyScript: TypeAlias = Callable[[AsyncEngine, str], Awaitable[None]]

PARTITIONED = {
    "asm_sessions": "HASH (id)",
    "asm_session_tags": "HASH (session_id)",
    "asm_runs": "HASH (session_id)",
    "asm_events": "HASH (session_id)",
    "asm_session_sequences": "HASH (session_id)",
}
LAYOUT = """
    SELECT relname, pg_get_partkeydef(pg_class.oid), count(inhrelid)
    FROM pg_class LEFT JOIN pg_inherits ON inhparent = pg_class.oid
    WHERE relkind = 'p' GROUP BY 1, 2
"""
OPTIONS = """
    SELECT reloptions FROM pg_class
    WHERE relkind = 'r' AND relname ~ '^asm_events(_p\\d+)?$' ORDER BY relname
"""
INSERT_ONLY = [
    "autovacuum_vacuum_insert_threshold=100000",
    "autovacuum_vacuum_insert_scale_factor=0",
    "autovacuum_freeze_min_age=0",
]
# Each event, run and tag lies in the partition that has the number of its session's.
ASTRAY = """
    SELECT count(*)
    FROM asm_sessions AS session
    JOIN asm_{table} AS part ON part.session_id = session.id
    WHERE substring(part.tableoid::regclass::text FROM '\\d+$')
        <> substring(session.tableoid::regclass::text FROM '\\d+$')
"""


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on an empty database.
    """
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


async def rows_of(engine: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    """
    Return what a query finds.
    """
    async with engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(sa.text(query))]


async def test_the_tables_of_sessions_are_partitioned_by_the_session(
    engine: AsyncEngine,
) -> None:
    """
    So many partitions have sessions, tags, runs, events and counters, and others none.
    """
    await migrations.upgrade(engine, partitions=8)

    found = {name: (key, count) for name, key, count in await rows_of(engine, LAYOUT)}
    assert found == {name: (key, 8) for name, key in PARTITIONED.items()}
    await migrations.check(engine)


@pytest.mark.parametrize("partitions", [None, 3])
async def test_a_table_to_which_rows_are_only_added_is_vacuumed_for_insertions(
    engine: AsyncEngine, partitions: int | None
) -> None:
    """
    Also each of its partitions, which inherit no settings.
    """
    await migrations.upgrade(engine, partitions=partitions)

    found = await rows_of(engine, OPTIONS)
    assert found == [(INSERT_ONLY,)] * (partitions or 1)


async def test_what_belongs_to_a_session_lies_in_partitions_of_one_number(
    engine: AsyncEngine,
) -> None:
    """
    So a server that keeps some partitions has whole sessions.
    """
    await migrations.upgrade(engine, partitions=4)
    store = SQLSessionStore(engine)
    for number in range(20):
        name = f"ses_{number}"
        await store.save_session(make_session(id=name, tags=["a"]))
        await store.save_run(make_run(id=f"run_{number}", session_id=name))
        await store.append_event(make_event(session_id=name))
    await store.aclose()

    for table in ("events", "runs", "session_tags", "session_sequences"):
        assert await rows_of(engine, ASTRAY.format(table=table)) == [(0,)], table


async def test_the_id_of_a_run_is_unique_over_all_partitions(
    engine: AsyncEngine,
) -> None:
    """
    The database refuses a second run of the id, by any client, until it is gone.
    """
    await migrations.upgrade(engine, partitions=8)
    run: dict[str, Any] = {"status": "running", "revision": 1}
    run |= {"metadata": {}, "token_usage": {}}
    run |= {"provider_metadata": {}, "started_at": sa.func.now(), "id": "run_1"}
    counts = [column for column in tables.runs.c if column.name.endswith("_tokens")]
    run |= {column.name: 0 for column in counts} | {"turn_count": 0}
    insert = sa.insert(tables.runs)
    async with engine.begin() as conn:
        await conn.execute(insert.values(run | {"session_id": "ses_0"}))
    for number in range(1, 20):
        other = insert.values(run | {"session_id": f"ses_{number}"})
        with pytest.raises(IntegrityError, match="asm_run_ids"):
            async with engine.begin() as conn:
                await conn.execute(other)
    async with engine.begin() as conn:
        await conn.execute(sa.delete(tables.runs))
        await conn.execute(insert.values(run | {"session_id": "ses_1"}))


async def test_an_invalid_index_of_a_partition_is_found(engine: AsyncEngine) -> None:
    """
    The health check looks at the indexes of all partitions.
    """
    await migrations.upgrade(engine, partitions=2)
    async with engine.begin() as conn:
        name = "asm_events_p1_timestamp_idx"
        mark = (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
        )
        await conn.exec_driver_sql(mark.format(name))

    issues = await SQLMaintenance(engine).health_check()
    assert name in {issue.subject for issue in issues}


async def test_an_upgrade_leaves_the_layout_as_it_is(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    Without the option, and with the number that is there, it changes nothing.
    """
    await migrations.upgrade(engine, partitions=4)
    before = await catalog(engine)
    await migrations.upgrade(engine)
    await migrations.upgrade(engine, partitions=4)

    assert await catalog(engine) == before


@pytest.mark.parametrize(
    ("there", "said"), [(None, "is not partitioned"), (4, "has 4 partitions")]
)
async def test_another_layout_is_refused_where_there_is_a_schema(
    engine: AsyncEngine, catalog: ReadCatalog, there: int | None, said: str
) -> None:
    """
    The error says what is there and how to move it, and nothing is changed.
    """
    await migrations.upgrade(engine, partitions=there)
    before = await catalog(engine)

    with pytest.raises(
        UnsupportedOperationError, match=f"schema public {said}.*export"
    ):
        await migrations.upgrade(engine, partitions=8)

    assert await catalog(engine) == before


@pytest.mark.parametrize("partitions", [0, 1, MAX_PARTITIONS + 1, True])
async def test_a_number_of_partitions_is_checked(
    engine: AsyncEngine, catalog: ReadCatalog, partitions: int
) -> None:
    """
    The error names the option, and nothing is made.
    """
    with pytest.raises(ValidationError, match=r"^partitions: "):
        await migrations.upgrade(engine, partitions=partitions)

    assert await catalog(engine) == []


async def test_the_script_makes_the_same_partitions(
    engine: AsyncEngine, catalog: ReadCatalog, apply_script: ApplyScript
) -> None:
    """
    Applying it equals migrating, and going down leaves nothing.
    """
    await apply_script(engine, migrations.sql("postgresql", partitions=3))
    applied = await catalog(engine)
    await migrations.downgrade(engine, "base")
    emptied = await catalog(engine)
    await migrations.upgrade(engine, partitions=3)

    assert await catalog(engine) == applied != emptied == []


@pytest.mark.usefixtures("two_revisions")
async def test_a_later_revision_finds_the_partitions(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    Two steps, the second without the option, equal one.
    """
    await migrations.upgrade(engine, "0001", partitions=2)
    await migrations.upgrade(engine)
    in_steps = await catalog(engine)
    await migrations.downgrade(engine, "base")
    await migrations.upgrade(engine, partitions=2)

    assert await catalog(engine) == in_steps


async def test_nothing_of_partitions_is_proposed_to_be_dropped(
    engine: AsyncEngine,
) -> None:
    """
    An application's own Alembic sees neither partitions nor the table of runs' ids.
    """
    await migrations.upgrade(engine, partitions=2)
    async with engine.connect() as conn:
        names = await conn.run_sync(lambda sync: sa.inspect(sync).get_table_names())

    assert any(name.endswith("_p1") for name in names)
    assert not [n for n in names if migrations.include_name(n, "table", {})]
    assert migrations.include_name("asm_else_p1", "table", {})
