"""
Everything that each role is for, done once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.memory import InMemoryDatabase, InMemoryQueryAPI, InMemorySessionStore
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
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.retention import RetentionPolicy

__all__ = ["maintain", "migrate", "read", "record"]

T = TypeVar("T")


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[tuple[AsyncEngine, SQLSessionStore]]:
    """
    Open an engine and a store on it, and close both.
    """
    engine = create_engine(url)
    store = SQLSessionStore(engine)
    try:
        yield engine, store
    finally:
        await store.aclose()
        await engine.dispose()


async def first_of(items: AsyncGenerator[T]) -> T:
    """
    Return the first item, and end the iteration.
    """
    async with aclosing(items) as iterator:
        return await anext(iterator)


async def exported(session_id: str) -> AsyncGenerator[bytes]:
    """
    Yield an export of a session that is stored nowhere else.
    """
    database, pieces = InMemoryDatabase(), list[bytes]()
    session, run_id = make_session(id=session_id, tags=("a",)), f"run_{session_id}"
    await InMemorySessionStore(database).flush(
        make_execution_result(
            session=session,
            run=make_run(id=run_id, session_id=session_id),
            events=[make_event(session_id=session_id)],
        )
    )

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    await InMemoryQueryAPI(database).export_sessions(write)
    for piece in pieces:
        yield piece


async def record(url: str, mark: str) -> None:
    """
    Record a session, *mark*, and whatever else a runtime records.
    """
    run_id = f"run_{mark}"
    session = make_session(id=mark, tags=("a",), metadata={"title": "Rain"})
    async with opened(url) as (engine, store):
        await store.save_session(session)
        await store.save_session(make_session(id=mark, tags=("b",)))
        await store.append_events(make_events(3, session_id=mark))
        await store.append_event(
            make_event(id="evt_4", session_id=mark), expected_sequence=3
        )
        await store.flush(
            make_execution_result(
                session=session,
                run=make_run(id=run_id, session_id=mark),
                events=[make_event(id="evt_5", session_id=mark, run_id=run_id)],
            )
        )
        await store.save_run(make_run(id=run_id, session_id=mark, turn_count=1))
        state = SQLStateStore(engine)
        await state.save_items(
            [make_item(scope=mark, key=key, session_id=mark) for key in "ab"]
        )
        await state.delete_items(mark, keys=["a"])
        await state.aclose()
        artifact = make_artifact(id=f"art_{mark}", key=mark, session_id=mark)
        registry = SQLArtifactRegistry(engine)
        await registry.register(artifact)
        await registry.soft_delete(artifact.id)
        feed = SQLEventFeed(engine)
        batch = await first_of(feed.consumer(mark).batches())
        assert batch.events
        async with aclosing(feed.consumer(f"two_{mark}").batches()) as batches:
            await (await anext(batches)).acknowledge()
        await feed.aclose()
        for session_id in (f"imported_{mark}", f"erased_{mark}"):
            await SQLQueryAPI(engine).import_sessions(exported(session_id))
        index = SQLTextIndex(engine)
        await index.update()
        await index.aclose()


async def read(url: str, mark: str) -> None:
    """
    Read what :func:`record` has recorded, in every way there is.
    """
    async with opened(url) as (engine, store):
        assert (await store.get_session(mark)).tags == ("a",)
        assert len(await store.list_runs(mark)) == 1
        assert len(await store.get_events(mark)) == 5
        assert await store.get_latest_sequence(mark) == 5
        query = SQLQueryAPI(engine)
        assert (await query.search_sessions(tags=["a"])).items
        await query.search_sessions(provider="example")
        await query.search_runs(agent_id="assistant")
        await query.search_events(session_ids=[mark])
        await query.get_session_stats(mark)
        await query.get_usage_summary(agent_id="assistant")
        await query.get_cost_summary()
        assert (await query.export_session(mark)).latest_sequence == 5
        feed = SQLEventFeed(engine)
        await first_of(feed.follow_session(mark))
        await first_of(feed.follow_all(agent_id="assistant"))
        await feed.feed_lag()
        assert await feed.list_consumers()
        await feed.aclose()
        index = SQLTextIndex(engine)
        assert (await index.search_text("rain", session_id=mark)).items
        await index.lag()
        await index.aclose()
        await SQLArtifactRegistry(engine).get(f"art_{mark}")
        assert await SQLStateStore(engine).list_items(mark)
        assert await SQLMaintenance(engine).health_check() is not None


async def maintain(url: str, mark: str) -> None:
    """
    Mark, prune and remove what :func:`record` has recorded.
    """
    later = datetime.now(UTC) + timedelta(days=1000)
    policy = RetentionPolicy(
        max_completed_session_age_days=None,
        max_events_per_session=2,
        hard_delete_after_days=1,
    )
    async with opened(url) as (engine, store):
        maintenance = SQLMaintenance(engine, clock=lambda: later)
        await maintenance.soft_delete_session(mark)
        await maintenance.restore_session(mark)
        report = await maintenance.execute(policy)
        for errors in report.errors.values():
            raise errors[0]
        assert report.events_pruned
        await maintenance.soft_delete_session(mark)
        # Its clock stands a day further still.
        yet_later = SQLMaintenance(engine, clock=lambda: later + timedelta(days=9))
        assert await yet_later.hard_delete_expired_sessions(policy)
        await store.delete_session(f"imported_{mark}")
        erased = await maintenance.erase(session_ids=[f"erased_{mark}"])
        assert erased.session_count == 1
        await maintenance.clean_orphaned_artifacts()
        feed = SQLEventFeed(engine)
        for name in (mark, f"two_{mark}"):
            await feed.delete_consumer(name)
        await feed.aclose()
        assert await maintenance.health_check() is not None


async def index_texts(url: str) -> None:
    """
    Make the index of what was said.
    """
    async with opened(url) as (engine, _):
        index = SQLTextIndex(engine)
        await index.update()
        await index.aclose()


async def migrate(url: str, mark: str) -> None:
    """
    Make the tables, and drop them again.
    """
    del mark
    engine = create_engine(url)
    try:
        await migrations.upgrade(engine)
        await migrations.downgrade(engine, "base")
    finally:
        await engine.dispose()
