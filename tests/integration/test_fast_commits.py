"""
The usual commit of events and state items, in one round trip or hop, and what is more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import pytest

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    RevisionConflictError,
    SequenceConflictError,
    SessionNotFoundError,
)
from asm_async.sql import SQLPorts, create_engine
from asm_async.sql.dialects.direct import scope_lock
from asm_async.sql.dialects.postgresql import block_statement
from asm_async.sql.dialects.postgresql.append_statements import Parts, write_block
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
    numbered,
)
from asm_async.testing.state_store.contract import keys_of
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from tests.integration.lock_waiters import lock_waiters
from tests.integration.query_plans import generic_plan
from tests.integration.test_fast_items import (
    measured,
    noted_looks,
    ports_by_hops,
    ports_by_way,
    ports_on,
)
from tests.integration.test_fast_path import QUIET, UNIT
from tests.proxies import by_way, way_to

Call: TypeAlias = Callable[[], Awaitable[object]]

THEME = ("app/user", "theme")


async def usual_commits(ports: SQLPorts, name: str) -> dict[str, Sequence[Call]]:
    """
    Return commits to a session and a scope of this name, alone or beside others.
    """
    store, state = ports.store, ports.state
    run, other_run, other = f"run {name}", f"other run {name}", f"other {name}"
    runs = [make_run(id=id_, session_id=name) for id_ in (run, other_run)]
    await store.commit(Changes(session=make_session(id=name), runs=tuple(runs)))
    await store.save_session(make_session(id=other))
    keys = ["theme", "lease", "old", "older", "seen", *map(str, range(8))]
    stored = await state.save_items([make_item(scope=name, key=key) for key in keys])
    of = {(name, item.key): item.revision for item in stored}
    item = partial(make_item, scope=name)

    def event(id_: str) -> Event:
        return make_event(id=id_, session_id=name)

    def commit(
        *ids: str,
        looked_at: Sequence[str] = (),
        runs: Sequence[str] = (),
        sequence: int | None = None,
        operation_id: str | None = None,
        **changes: Any,
    ) -> Call:
        expected: dict[Any, int] = {(name, key): of[name, key] for key in looked_at}
        return partial(
            store.commit,
            Changes(events=tuple(map(event, ids)), **changes),
            expected_revisions=expected | dict.fromkeys(runs, 1),
            expected_sequence=sequence,
            operation_id=operation_id,
        )

    old, older = ((name, "old"),), ((name, "older"),)
    return {
        "with a new item": [commit("a1", items=(item(key="new"),))],
        "with one that is there": [
            commit("a2", items=(item(session_id=name),), looked_at=["theme"])
        ],
        "with any that is there": [commit("a3", items=(item(key="new", data=1),))],
        "named": [commit("a4", items=(item(key="new"),), operation_id="op")],
        "behind a number": [commit("a5", items=(item(key="x"),), sequence=4)],
        "of several": [commit("a6", "a7", items=(item(key="p"), item(key="q")))],
        "with one removed": [commit("a8", removed_items=old, looked_at=["old"])],
        "with one looked at": [commit("a9", looked_at=["seen"])],
        "of a run": [commit("b1", runs=[run])],
        "of a run, behind a number": [commit("b2", runs=[run], sequence=10)],
        "of two runs": [commit("b3", runs=[run, other_run])],
        "of a run, several events": [commit("b4", "b5", runs=[run])],
        "of a run, with all": [
            commit(
                *("b6", "b7"),
                items=(item(key="lease"),),
                removed_items=older,
                looked_at=["lease", "older", "seen"],
                runs=[run],
                sequence=14,
            )
        ],
        "of items": [commit(items=(item(key="lease2"),), removed_items=())],
        "of callers": [
            commit(f"c{n}", items=(item(key=str(n)),), looked_at=[str(n)], runs=[run])
            for n in range(8)
        ],
        "beside others": [
            commit("d1", items=(item(key="d1", session_id=other),)),
            partial(state.save_items, [item(key="d2", session_id=name)]),
            partial(store.append_events, [event("d3")]),
            partial(store.append_events, [make_event(session_id=other)]),
            commit("d4", runs=[other_run]),
        ],
    }


async def costs_of(ports: SQLPorts, measure: Callable[[], int]) -> dict[str, int]:
    """
    Return what the usual commits cost when each has been made before.
    """
    costs: dict[str, int] = {}
    # The driver prepares each of the statements once.
    for name in ("first", "again"):
        costs |= await measured(await usual_commits(ports, name), measure)
        assert await ports.store.get_latest_sequence(name) == 27
        assert len(await ports.state.list_items(name)) == 18
    return costs


@pytest.mark.postgres
async def test_the_usual_commit_is_one_round_trip(migrated_postgres_url: str) -> None:
    """
    Events with items, with a run's revision, or behind a number, also many together.
    """
    async with ports_by_way(migrated_postgres_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_commit_is_one_hop(migrated_sqlite_url: str) -> None:
    """
    To SQLite's thread and back.
    """
    async with ports_by_hops(migrated_sqlite_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_commit_is_not_looked_at_twice(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing that it concerns is read first, to decide by it.
    """
    async with ports_on(create_engine(url)) as ports:
        calls = await usual_commits(ports, "name")
        looks = noted_looks(monkeypatch)
        for together in calls.values():
            await asyncio.gather(*(call() for call in together))
        assert looks == []
        with pytest.raises(RevisionConflictError):
            await ports.store.commit(
                Changes(events=(make_event(id="late", session_id="name"),)),
                expected_revisions={"run name": 2},
            )
        assert len(looks) == 1


@pytest.mark.postgres
async def test_what_may_not_be_there_is_removed_in_three_round_trips(
    migrated_postgres_url: str,
) -> None:
    """
    The locks, all that is written, and the end: what came while it waited is seen.
    """
    costs: list[int] = []
    async with way_to(migrated_postgres_url) as way:
        url = by_way(way, migrated_postgres_url)
        engine = create_engine(url, pool_size=1, execution_options=QUIET)
        async with ports_on(engine) as ports:
            await ports.state.save_items([make_item()])
            for number in range(3):
                event = make_event(id=f"evt_{number}")
                before = way.round_trips
                await ports.store.commit(
                    Changes(events=(event,), removed_items=(THEME,))
                )
                costs.append(way.round_trips - before)
            assert await ports.state.list_items("app/user") == []

    assert costs[1:] == [3, 3]


async def test_what_is_unusual_goes_the_slow_way(url: str) -> None:
    """
    In one group with what is usual: each gets what it would get alone.
    """
    async with ports_on(create_engine(url)) as ports:
        store, state = ports.store, ports.state
        await store.commit(Changes(runs=(make_run(),), events=(make_event(),)))
        (old,) = await state.save_items([make_item()])

        def commit(*ids: str, expected: Mapping[Any, int], **changes: Any) -> Any:
            events = tuple(make_event(id=id_) for id_ in ids)
            return store.commit(
                Changes(events=events, **changes), expected_revisions=expected
            )

        outcomes = await asyncio.gather(
            *[
                store.append_events([make_event(id="e1")]),
                commit("e2", expected={}, items=(make_item(key="a"),)),
                commit("e3", expected={"run_1": 2}, items=(make_item(key="b"),)),
                commit("e4", expected={"run_2": 1}),
                commit("e5", expected={THEME: old.revision + 1}),
                commit("e6", expected={THEME: 0}, removed_items=(THEME,)),
                commit("e7", expected={}, items=(make_item(key="c", session_id="no"),)),
                commit("e8", expected={"run_2": 0}, items=(make_item(key="d"),)),
                commit("e9", expected={}, runs=(make_run(id="run_2"),)),
                commit("e10", expected={"run_1": 1, THEME: old.revision}),
                store.commit(
                    Changes(events=(make_event(data={}),), items=(make_item(key="f"),))
                ),
                store.commit(
                    Changes(events=(make_event(id="e11"),), items=(make_item(),)),
                    expected_sequence=99,
                ),
                commit("e12", expected={}, removed_items=(THEME, ("none", "none"))),
            ],
            return_exceptions=True,
        )
        log = [event.id for event in await store.get_events("ses_1")]
        listed = await state.list_items("app/user")

    kinds = [type(each) for each in outcomes if isinstance(each, Exception)]
    assert kinds == [
        *([RevisionConflictError] * 4),
        SessionNotFoundError,
        EventConflictError,
        SequenceConflictError,
    ]
    assert log == ["evt_1", "e1", "e2", "e8", "e9", "e10", "e12"]
    assert keys_of(listed) == ["a", "d"]


async def test_a_named_operation_saves_nothing_else(url: str) -> None:
    """
    Its id tells a repetition, whether or not it says what it expects.
    """
    async with ports_on(create_engine(url)) as ports:
        store = ports.store
        changes = Changes(events=(make_event(),), items=(make_item(data=1),))
        first = await store.commit(changes, operation_id="op")
        assert await store.commit(changes, operation_id="op") == first
        (item,) = first.items
        others: list[tuple[Changes, dict[Any, int]]] = [
            (Changes(events=(make_event(id="evt_2"),), items=changes.items), {}),
            (Changes(items=(make_item(data=2),)), {}),
            (Changes(items=(make_item(data=2),)), {THEME: item.revision}),
        ]
        for other, expected in others:
            with pytest.raises(ConflictError, match="op"):
                await store.commit(
                    other, operation_id="op", expected_revisions=expected
                )
        assert await ports.state.list_items("app/user") == [item]
        assert await store.get_events("ses_1") == list(first.events)


async def test_names_may_hold_what_separates_texts(url: str) -> None:
    """
    Run, scope and key: none is split and taken for another's, whatever is done to it.
    """
    async with ports_on(create_engine(url)) as ports:
        store, state = ports.store, ports.state
        part = UNIT[0]
        await store.commit(Changes(runs=(make_run(id=part), make_run(id=UNIT))))
        await store.save_run(make_run(id=UNIT, turn_count=1))
        names = [(scope, key) for scope in (part, UNIT) for key in (part, UNIT)]
        await state.save_items(
            [make_item(scope=scope, key=key) for scope, key in names]
        )
        for ids in (("a",), ("b", "c")):
            events = tuple(make_event(id=id_) for id_ in ids)
            with pytest.raises(RevisionConflictError):
                await store.commit(Changes(events=events), expected_revisions={UNIT: 1})
        events = (make_event(id="d"), make_event(id="e"))
        changes = Changes(events=events, removed_items=((UNIT, UNIT),))
        await store.commit(changes)

        assert await store.get_latest_sequence("ses_1") == 2
        assert keys_of(await state.list_items(part)) == [part, UNIT]
        assert keys_of(await state.list_items(UNIT)) == [part]


@pytest.mark.postgres
async def test_a_commit_that_waits_sees_what_was_done_meanwhile(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    It holds no transaction id, and is decided by what is there when it has the locks.
    """
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        store, state = ports.store, ports.state
        await store.commit(Changes(runs=(make_run(),)))

        async def after(change: str, changes: Changes, **expected: Any) -> Any:
            (lock,) = session_lock_keys([scope_lock("app/user")])
            if not changes.items and not changes.removed_items:
                (lock,) = session_lock_keys(["ses_1"])
            await other.execute("SELECT pg_advisory_lock($1)", lock)
            committing = asyncio.create_task(store.commit(changes, **expected))
            (waiter,) = await lock_waiters(other)
            assert waiter["backend_xid"] is None
            await other.execute(change)
            await other.execute("SELECT pg_advisory_unlock($1)", lock)
            return await committing

        moved = "UPDATE asm_{} SET revision = revision + 10"
        replaced = (
            "WITH gone AS (DELETE FROM asm_state_items RETURNING *) SELECT 1 FROM gone"
        )
        for number in range(2):
            run = await store.get_run("run_1")
            ids = ["fenced", "also"][: number + 1]
            events = tuple(make_event(id=f"{id_} {number}") for id_ in ids)
            with pytest.raises(RevisionConflictError):
                await after(
                    moved.format("runs"),
                    Changes(events=events),
                    expected_revisions={"run_1": run.revision},
                )
        for change in (moved.format("state_items"), replaced):
            for removed in ((), (THEME,)):
                (item,) = await state.save_items([make_item()])
                event = make_event(id=f"evt {change} {removed}")
                saved = () if removed else (make_item(key="beside"),)
                with pytest.raises(RevisionConflictError):
                    await after(
                        change,
                        Changes(events=(event,), removed_items=removed, items=saved),
                        expected_revisions={THEME: item.revision},
                    )
        assert await store.get_latest_sequence("ses_1") == 0
        inserted = (
            "INSERT INTO asm_state_items (scope, key, updated_at, operation_id)"
            " VALUES ('app/user', 'late', now(), 'theirs')"
        )
        gone = Changes(events=(make_event(),), removed_items=(("app/user", "late"),))
        assert isinstance(await after(inserted, gone), Committed)
        assert await state.get_items("app/user", ["late"]) == {}


@pytest.mark.postgres
async def test_the_usual_commit_compares_nothing_with_all(
    migrated_postgres_url: str,
) -> None:
    """
    Its plan joins by index or by hash, also where a table has no statistics yet.
    """
    statement = write_block(Parts(*[True] * len(Parts._fields)))
    engine = create_engine(migrated_postgres_url, execution_options=QUIET)
    async with ports_on(engine), engine.connect() as conn:
        lines = await generic_plan(conn, statement)

    assert [line for line in lines if "asm_runs" in line]
    assert not [line for line in lines if "Join Filter" in line]


@pytest.mark.postgres
async def test_what_is_too_long_together_is_written_one_by_one(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The server's bound is that of a value, and not of all values of a call.
    """
    looks = noted_looks(monkeypatch)
    events = make_events(2, data={"text": "x" * 60})
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        before = len(looks)
        monkeypatch.setattr(block_statement, "_MAX_LENGTH", 100)
        assert await ports.store.append_events(events) == numbered(events)
        assert len(looks) == before + 1
