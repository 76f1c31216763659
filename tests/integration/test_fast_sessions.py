"""
The usual save of a session, alone or in a flush, in one round trip or one hop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import pytest
import sqlalchemy as sa

from asm_async.errors import (
    ASMError,
    InvalidTransitionError,
    RevisionConflictError,
    SessionDeletedError,
)
from asm_async.sql import SQLPorts, create_engine, migrations
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from asm_async.values.changes import Changes
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.session import Session, SessionStatus
from tests.integration.lock_waiters import lock_waiters
from tests.integration.test_fast_items import (
    measured,
    noted_looks,
    ports_by_hops,
    ports_by_way,
    ports_on,
)

Call: TypeAlias = Callable[[], Awaitable[object]]

ACTIVE, DONE = SessionStatus.ACTIVE, SessionStatus.COMPLETED


def full_session(**fields: Any) -> Session:
    """
    Make a session that has something in every field.
    """
    return make_session(
        **{
            "id": "full",
            "tenant_id": "tenant",
            "user_id": "user",
            "status": ACTIVE,
            "parent_session_id": "none",
            "metadata": {"a": {"b": [1.5, True, None]}},
            "context": {"code": "NUL \0, \ud800", "n": 10**30},
            "tags": ("b", "a", '"\\é😀'),
        }
        | fields
    )


async def usual_saves(ports: SQLPorts, name: str) -> dict[str, Sequence[Call]]:
    """
    Return saves of sessions of this name, alone or beside others.
    """
    store = ports.store
    ids = iter(range(1_000))

    def session(id_: str, **fields: Any) -> Session:
        return full_session(**{"id": f"{id_} {name}"} | fields)

    async def known(id_: str, **fields: Any) -> Session:
        return await store.save_session(session(id_, **fields))

    def flush(
        session: Session, events: int = 1, run: str | None = None, **expected: Any
    ) -> Call:
        result = ExecutionResult(
            session=session,
            run=None
            if run is None
            else make_run(id=f"{run} {name}", session_id=session.id),
            events=tuple(
                make_event(id=f"evt {next(ids)}", session_id=session.id)
                for _ in range(events)
            ),
        )
        return partial(store.flush, result, **expected)

    def save(session: Session, **expected: Any) -> Call:
        return partial(store.save_session, session, **expected)

    first, other = await known("first"), await known("other", tenant_id=None)
    many = [await known(f"known {number}") for number in range(8)]
    await store.save_run(make_run(id=f"old {name}", session_id=first.id))
    item = make_item(scope=name, session_id=first.id)
    return {
        "new": [save(session("a"))],
        "new, without tags": [save(session("b", tags=(), tenant_id=None))],
        "expected to be new": [save(session("c"), expected_revision=0)],
        "new, with events and a run": [flush(session("d"), 2, "d")],
        "new, with all": [
            flush(
                session("e"),
                2,
                "e",
                expected_sequence=0,
                expected_revision=0,
                expected_tenant="tenant",
                operation_id=f"op {name}",
            )
        ],
        "as it was read": [save(first)],
        "without a revision": [save(session("first", context={"n": 1}))],
        "expected": [save(first, expected_revision=3)],
        "of a tenant": [save(first, expected_tenant="tenant")],
        "flushed": [flush(first)],
        "flushed with a new run": [flush(first, 1, "new")],
        "flushed with a known run": [flush(first, 3, "old", expected_sequence=2)],
        "flushed as expected": [
            flush(
                session("first", status=DONE),
                0,
                "old",
                expected_revision=8,
                expected_sequence=5,
                expected_tenant="tenant",
            )
        ],
        "with an item": [
            partial(
                store.commit,
                Changes(session=session("first", status=DONE), items=(item,)),
            )
        ],
        "of callers": [flush(each, 1, f"of {each.id}") for each in many],
        "new ones of callers": [flush(session(f"f{n}"), 1, f"f{n}") for n in range(8)],
        "beside others": [
            flush(other, 1, "beside"),
            partial(store.append_events, [make_event(id="g", session_id=first.id)]),
            save(session("g")),
            partial(store.append_events, [make_event(session_id=f"g {name}")]),
            partial(store.save_run, make_run(id=f"g {name}", session_id=f"g {name}")),
            save(many[0], expected_revision=2),
            partial(
                store.commit,
                Changes(items=(make_item(scope=name, key="g"),)),
            ),
        ],
    }


async def costs_of(ports: SQLPorts, measure: Callable[[], int]) -> dict[str, int]:
    """
    Return what the usual saves cost when each has been made before.
    """
    costs: dict[str, int] = {}
    # The driver prepares each of the statements once.
    for name in ("once", "again"):
        costs |= await measured(await usual_saves(ports, name), measure)
        sessions = await ports.store.list_sessions(limit=100)
        of_name = [each for each in sessions if each.id.endswith(f" {name}")]
        assert sum(session.revision for session in of_name) == 43
        latest = [await ports.store.get_latest_sequence(each.id) for each in of_name]
        assert sum(latest) == 28
        tags = ["a", '"\\é😀']
        tagged = await ports.query.search_sessions(tags=tags, limit=100)
        assert len([each for each in tagged if each in of_name]) == 23
    return costs


@pytest.mark.postgres
async def test_the_usual_save_of_a_session_is_one_round_trip(
    migrated_postgres_url: str,
) -> None:
    """
    New or known, alone, flushed with events and a run, of several callers.
    """
    async with ports_by_way(migrated_postgres_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_save_of_a_session_is_one_hop(migrated_sqlite_url: str) -> None:
    """
    To SQLite's thread and back.
    """
    async with ports_by_hops(migrated_sqlite_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_save_of_a_session_is_not_looked_at_twice(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing that it concerns is read first; all that was given is stored, and the time.
    """
    async with ports_on(create_engine(url)) as ports:
        store = ports.store
        calls = await usual_saves(ports, "name")
        looks = noted_looks(monkeypatch)
        for together in calls.values():
            await asyncio.gather(*(call() for call in together))
        began = await store.save_session(full_session())
        saved = await store.save_session(full_session(user_id="me"))
        stored = await store.get_session("full")
        assert looks == []
        assert began == full_session(revision=1)
        assert saved == stored == full_session(user_id="me", revision=2)
        assert began.last_activity_at is not None
        assert saved.last_activity_at is not None
        assert began.last_activity_at < saved.last_activity_at
        assert saved.last_activity_at == stored.last_activity_at
        with pytest.raises(RevisionConflictError):
            await store.save_session(full_session(), expected_revision=1)
        assert len(looks) == 1


@pytest.mark.postgres
async def test_tags_are_saved_where_json_cannot_be_read(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    A database that knows no characters does not read those that JSON has as numbers.
    """
    url = sa.make_url(migrated_postgres_url)
    name = f"{url.database}_bytes"
    await other.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII'"
        " LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    engine = create_engine(url.set(database=name))
    try:
        await migrations.upgrade(engine)
        async with ports_on(engine) as ports:
            calls = [
                ports.store.save_session(make_session(id=id_, tags=[tag]))
                for id_, tag in (("one", "é"), ("two", "😀"), ("three", "plain"))
            ]
            saved = await asyncio.gather(*calls)
            found = await ports.query.search_sessions(tags=["é"])
            assert [session.id for session in found.items] == ["one"]
            assert [session.revision for session in saved] == [1, 1, 1]
    finally:
        await engine.dispose()
        await other.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.postgres
async def test_a_save_of_a_session_that_waits_sees_what_was_done_meanwhile(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    It holds no transaction id, and is decided by the session that is there then.
    """
    (lock,) = session_lock_keys(["ses_1"])
    changes: dict[str, type[ASMError] | None] = {
        "UPDATE asm_sessions SET revision = revision + 10": RevisionConflictError,
        "UPDATE asm_sessions SET status = 'completed'": InvalidTransitionError,
        "UPDATE asm_sessions SET status = 'active', tags = '[\"t\"]'": None,
        "UPDATE asm_session_sequences SET state = 'soft_deleted'": SessionDeletedError,
    }
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        store = ports.store

        async def after(change: str, saving: Awaitable[Any]) -> Any:
            await other.execute("SELECT pg_advisory_lock($1)", lock)
            task = asyncio.ensure_future(saving)
            (waiter,) = await lock_waiters(other)
            assert waiter["backend_xid"] is None
            await other.execute(change)
            await other.execute("SELECT pg_advisory_unlock($1)", lock)
            return await task

        for change, refusal in changes.items():
            session = make_session(status=ACTIVE)
            revision = (await store.get_session("ses_1")).revision
            saving = store.flush(
                ExecutionResult(session=session, events=(make_event(id=change),)),
                expected_revision=revision,
            )
            if refusal is None:
                await after(change, saving)
                continue
            with pytest.raises(refusal):
                await after(change, saving)
        assert await store.get_latest_sequence("ses_1") == 1
        # What comes, or comes and goes, while its first save waits.
        for state in ("live", "deleted"):
            (lock,) = session_lock_keys([state])
            insert = f"""
                INSERT INTO asm_session_sequences (session_id, last_sequence,
                    pruned_count, state, updated_at, session_revision)
                VALUES ('{state}', 3, 3, '{state}', now(), 7)
            """  # noqa: S608 - one of two
            result = ExecutionResult(
                session=make_session(id=state), events=(make_event(session_id=state),)
            )
            flushed = await after(insert, store.flush(result))
            assert flushed.session.revision == 8
            assert flushed.events[0].sequence_number == 4


@pytest.mark.postgres
async def test_a_first_save_with_a_run_waits_for_who_holds_its_session(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    The statement that does not wait has written nothing when it gives up.
    """
    (lock,) = session_lock_keys(["held"])
    result = ExecutionResult(
        session=make_session(id="held"),
        run=make_run(id="held", session_id="held"),
        events=(make_event(session_id="held"),),
    )
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        await other.execute("SELECT pg_advisory_lock($1)", lock)
        flushing = asyncio.ensure_future(ports.store.flush(result))
        (waiter,) = await lock_waiters(other)
        assert waiter["backend_xid"] is None
        assert not flushing.done()
        await other.execute("SELECT pg_advisory_unlock($1)", lock)
        assert (await flushing).events[0].sequence_number == 1
