"""
The usual save of a run, alone or beside events, in one round trip or one hop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import asyncpg
import pytest

from asm_async.errors import (
    ASMError,
    ConflictError,
    InvalidTransitionError,
    RevisionConflictError,
    SessionDeletedError,
)
from asm_async.recording import record_run
from asm_async.sql import SQLPorts, create_engine
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from asm_async.values.changes import Changes
from asm_async.values.run import Run, RunStatus
from tests.integration.lock_waiters import lock_waiters
from tests.integration.test_fast_items import (
    measured,
    noted_looks,
    ports_by_hops,
    ports_by_way,
    ports_on,
)

Call: TypeAlias = Callable[[], Awaitable[object]]

RUNNING, DONE = RunStatus.RUNNING, RunStatus.COMPLETED


def full_run(**fields: Any) -> Run:
    """
    Make a run that has something in every field.
    """
    return make_run(
        **{
            "status": RUNNING,
            "input": ["in", None, 10**30],
            "output": "",
            "error": {"code": "NUL \0, \ud800"},
            "metadata": {"a": {"b": [1.5, True]}},
            "turn_count": 3,
            "token_usage": {"input_tokens": 5, "output_tokens": 7, "other": "x"},
            "ended_at": make_run().started_at,
            "provider": "somebody",
            "provider_metadata": {"model": "good"},
            "cost_usd": 0.1 + 0.2,
        }
        | fields
    )


async def usual_commits(ports: SQLPorts, name: str) -> dict[str, Sequence[Call]]:
    """
    Return saves of runs of a session of this name, alone or beside others.
    """
    store = ports.store
    await store.save_session(make_session(id=name, tenant_id="tenant"))
    await store.save_session(make_session(id=f"other {name}"))
    known = [make_run(id=f"known {name} {n}", session_id=name) for n in range(20)]
    await store.commit(Changes(runs=tuple(known)))
    (lease,) = await ports.state.save_items([make_item(scope=name, key="lease")])
    ids = iter(range(1_000))

    def commit(*runs: Run, events: int = 0, session: str = name, **more: Any) -> Call:
        changes = Changes(
            runs=runs,
            events=tuple(
                make_event(id=f"evt {next(ids)}", session_id=session)
                for _ in range(events)
            ),
            items=more.pop("items", ()),
            removed_items=more.pop("removed_items", ()),
        )
        return partial(store.commit, changes, **more)

    def run(id_: str, **fields: Any) -> Run:
        return make_run(**{"id": f"{id_} {name}", "session_id": name} | fields)

    def old(number: int, **fields: Any) -> Run:
        return run("known", id=f"known {name} {number}", **fields)

    def at(*numbers: int) -> dict[Any, int]:
        return {f"known {name} {number}": 1 for number in numbers}

    item = make_item(scope=name, session_id=name)
    removed: dict[Any, int] = {(name, "lease"): lease.revision}
    return {
        "new": [partial(store.save_run, run("a"))],
        "expected to be new": [partial(store.save_run, run("b"), expected_revision=0)],
        "new, with an event": [commit(run("c"), events=1)],
        "new, with all": [
            commit(
                full_run(id=f"d {name}", session_id=name),
                *(run("e"), old(0, status=RUNNING)),
                events=2,
                items=(item,),
                expected_sequence=1,
                expected_tenant="tenant",
                expected_revisions=at(0, 1),
                operation_id=f"op {name}",
            )
        ],
        "expected": [partial(store.save_run, old(1, status=DONE), expected_revision=1)],
        "of any revision": [partial(store.save_run, old(2, revision=1))],
        "expected, with an event": [
            commit(old(3, status=RUNNING), events=1, expected_revisions=at(3))
        ],
        "expected, of a tenant": [
            commit(old(4), events=3, expected_tenant="tenant", expected_revisions=at(4))
        ],
        "expected, behind a number": [
            commit(old(5), expected_sequence=7, expected_revisions=at(5))
        ],
        "with an item removed": [
            commit(
                old(6),
                events=1,
                removed_items=((name, "lease"),),
                expected_revisions=at(6) | removed,
            )
        ],
        "of callers": [
            commit(old(n, status=RUNNING), events=1, expected_revisions=at(n))
            for n in range(7, 15)
        ],
        "new ones of callers": [commit(run(f"f{n}"), events=1) for n in range(8)],
        "beside others": [
            partial(store.save_run, run("g", session_id=f"other {name}")),
            partial(store.append_events, [make_event(id="g", session_id=name)]),
            commit(old(15), events=2, expected_revisions=at(15, 16)),
            commit(items=(make_item(scope=name, key="g"),)),
            commit(events=1, session=f"other {name}", expected_revisions={}),
        ],
    }


async def costs_of(ports: SQLPorts, measure: Callable[[], int]) -> dict[str, int]:
    """
    Return what the usual saves cost when each has been made before.
    """
    costs: dict[str, int] = {}
    # The driver prepares each of the statements once.
    for name in ("first", "again"):
        costs |= await measured(await usual_commits(ports, name), measure)
        assert await ports.store.get_latest_sequence(name) == 27
        runs = await ports.store.list_runs(name, limit=100)
        assert sum(run.revision for run in runs) == 34 + 15
    return costs


@pytest.mark.postgres
async def test_the_usual_save_of_a_run_is_one_round_trip(
    migrated_postgres_url: str,
) -> None:
    """
    New or known, alone, with events and items, of several callers.
    """
    async with ports_by_way(migrated_postgres_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_save_of_a_run_is_one_hop(migrated_sqlite_url: str) -> None:
    """
    To SQLite's thread and back.
    """
    async with ports_by_hops(migrated_sqlite_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_save_of_a_run_is_not_looked_at_twice(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing that it concerns is read first; all that was given is stored.
    """
    async with ports_on(create_engine(url)) as ports:
        store = ports.store
        calls = await usual_commits(ports, "name")
        looks = noted_looks(monkeypatch)
        for together in calls.values():
            await asyncio.gather(*(call() for call in together))
        began = await store.save_run(full_run())
        saved = await store.save_run(full_run(turn_count=4), expected_revision=1)
        again = await store.save_run(full_run(turn_count=5))
        assert looks == []
        assert began == full_run(revision=1)
        assert saved == full_run(turn_count=4, revision=2)
        assert again == full_run(turn_count=5, revision=3)
        assert await store.get_run("run_1") == again
        with pytest.raises(RevisionConflictError):
            await store.save_run(full_run(turn_count=6), expected_revision=1)
        assert len(looks) == 1


async def costs_of_recording(
    ports: SQLPorts, measure: Callable[[], int]
) -> list[list[int]]:
    """
    Return what the beginning, two steps and the end of recorded runs cost.
    """
    costs: list[list[int]] = []
    for _ in range(3):
        marks = [measure()]
        async with record_run(ports.store, "ses_1", lease=600) as recorder:
            marks.append(measure())
            await recorder.message_received("hello")
            marks.append(measure())
            recorder.add_usage({"input_tokens": 1})
            await recorder.message_sent("hello")
            marks.append(measure())
        marks.append(measure())
        costs.append([after - before for before, after in pairwise(marks)])
    return costs


@pytest.mark.postgres
async def test_a_recorded_run_takes_few_round_trips(migrated_postgres_url: str) -> None:
    """
    One for each step; where it begins and ends, it looks at items between two more.
    """
    async with ports_by_way(migrated_postgres_url) as (ports, measure):
        costs = await costs_of_recording(ports, measure)

    assert costs[1:] == [[3, 1, 1, 3]] * 2


async def test_a_recorded_run_takes_few_hops(migrated_sqlite_url: str) -> None:
    """
    One for its beginning, for each step and for its end.
    """
    async with ports_by_hops(migrated_sqlite_url) as (ports, measure):
        costs = await costs_of_recording(ports, measure)

    assert costs == [[1, 1, 1, 1]] * 3


@pytest.mark.postgres
async def test_a_new_run_is_not_saved_by_what_others_were_seen_to_do_before(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    Its id is removed with another session while it waits: its revisions go on.
    """
    removed = (
        "WITH gone AS (DELETE FROM asm_runs WHERE id = 'gone' RETURNING id)"
        " INSERT INTO asm_run_tombstones (run_id, revision) SELECT id, 7 FROM gone"
    )
    buried = "INSERT INTO asm_run_tombstones (run_id, revision) VALUES ('late', 7)"
    (lock,) = session_lock_keys(["ses_1"])
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        store = ports.store
        await store.save_run(make_run(id="gone", session_id="ses_2"))
        # The session is locked, and the id of the run belongs to none yet.
        await other.execute("SELECT pg_advisory_lock($1)", lock)
        events = (make_event(),)
        changes = Changes(runs=(make_run(id="late"),), events=events)
        committing = asyncio.create_task(store.commit(changes))
        (waiter,) = await lock_waiters(other)
        await other.execute(buried)
        await other.execute("SELECT pg_advisory_unlock($1)", lock)
        (late,) = (await committing).runs
        # Nothing is locked, and whose it was is removed by a transaction that is open.
        async with other.transaction():
            await other.execute(removed)
            saving = asyncio.create_task(store.save_run(make_run(id="gone")))
            with pytest.raises(ConflictError, match="ses_2"):
                await saving
        gone = await store.save_run(make_run(id="gone"))

    assert waiter["backend_xid"] is None
    assert late.revision == 8
    assert gone.revision == 8


@pytest.mark.postgres
async def test_a_save_of_a_run_that_waits_sees_what_was_done_meanwhile(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    It holds no transaction id, and is decided by the run that is there then.
    """
    (lock,) = session_lock_keys(["ses_1"])
    changes = [
        "UPDATE asm_runs SET revision = revision + 10",
        "UPDATE asm_runs SET status = 'completed'",
        "UPDATE asm_session_sequences SET state = 'soft_deleted'",
        "DELETE FROM asm_runs",
    ]
    refusals: list[type[BaseException]] = []
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        store = ports.store
        run = await store.save_run(make_run(status=RUNNING))
        for number, change in enumerate(changes):
            await other.execute("SELECT pg_advisory_lock($1)", lock)
            step = Changes(runs=(run,), events=(make_event(id=f"evt_{number}"),))
            expected = {run.id: run.revision}
            committing = asyncio.create_task(
                store.commit(step, expected_revisions=expected)
            )
            (waiter,) = await lock_waiters(other)
            assert waiter["backend_xid"] is None
            await other.execute(change)
            await other.execute("SELECT pg_advisory_unlock($1)", lock)
            with pytest.raises(ASMError) as caught:
                await committing
            refusals.append(caught.type)
            run = await store.get_run("run_1") if number < 1 else run
        assert await store.get_latest_sequence("ses_1") == 0

    assert refusals == [
        RevisionConflictError,
        InvalidTransitionError,
        SessionDeletedError,
        SessionDeletedError,
    ]


@pytest.mark.postgres
async def test_new_runs_are_inserted_in_the_order_of_their_ids(
    undisputed_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    Who inserts the same ones elsewhere is waited for, and waits for nobody.
    """
    insert = """
        INSERT INTO asm_runs SELECT made.* FROM asm_runs AS run, json_populate_record(
            run, json_build_object('id', $1::text, 'session_id', 'ses_2')
        ) AS made WHERE run.id = 'run_0'
    """
    # The first by the numbers of the characters, not as a dictionary has it.
    runs = tuple(make_run(id=id_) for id_ in "gécbahdfeB")
    async with ports_on(create_engine(undisputed_postgres_url)) as ports:
        await ports.store.save_run(make_run(id="run_0", session_id="ses_2"))
        async with other.transaction():
            await other.execute(insert, "B")
            committing = asyncio.create_task(ports.store.commit(Changes(runs=runs)))
            await lock_waiters(other)
            for run_id in "abcdefghé":
                await other.execute(insert, run_id)
        with pytest.raises(ConflictError, match="ses_2"):
            await committing
    # Its connection reports deadlocks when it ends.
    await other.close()
