"""
The database refuses one of a transaction's statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import NotFoundError, StorageError
from asm_async.sql import SQLSessionStore
from asm_async.testing.concurrency import race
from asm_async.testing.factories import (
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.faults import FaultPoints
from asm_async.testing.faults.engines import watched_engine
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from tests.fault.acts import refusing


@pytest.fixture
def points(engine: AsyncEngine) -> Iterator[FaultPoints]:
    """
    Yield the fault points of the engine's connections.
    """
    with watched_engine(engine) as points:
        yield points


def check_known(outcome: object) -> None:
    """
    Assert that a call failed for good, and said that nothing was committed.
    """
    assert isinstance(outcome, StorageError)
    assert (outcome.retryable, outcome.outcome_unknown) == (False, False)


@pytest.mark.parametrize("is_looked_at", [False, True])
async def test_a_commit_that_fails_at_any_statement_stores_nothing(
    engine: AsyncEngine, points: FaultPoints, *, is_looked_at: bool
) -> None:
    """
    Session, run, tags, events and counter are written whole or not at all.

    A session that is saved only if there is none is looked for first; a flush can be
    one statement.
    """
    store, skipped = SQLSessionStore(engine), 0
    while True:
        id_ = f"ses_{skipped}"
        session = make_session(id=id_, tags=["one", "two"])
        run, events = make_run(session_id=id_), make_events(3, session_id=id_)
        result = make_execution_result(session=session, run=run, events=events)
        changes = Changes(create_session=session, runs=(run,), events=tuple(events))
        refused = points.arm(refusing(engine), skip=skipped)
        (outcome,) = await race(
            [store.commit(changes) if is_looked_at else store.flush(result)]
        )
        points.disarm()
        if not refused.struck:
            break

        check_known(outcome)
        with pytest.raises(NotFoundError):
            await store.get_session(id_)
        with pytest.raises(NotFoundError):
            await store.get_run("run_1")
        assert await store.get_events(id_) == []
        # The pool's next transaction is sound, and no number was used up.
        await store.save_session(make_session(id=id_))
        (stored,) = await store.append_events(make_events(1, session_id=id_))
        assert stored.sequence_number == 1
        skipped += 1
    assert skipped > (5 if is_looked_at else 0)
    assert (await store.get_run("run_1")).session_id == f"ses_{skipped}"


async def test_a_deletion_that_fails_at_any_statement_deletes_nothing(
    engine: AsyncEngine, points: FaultPoints
) -> None:
    """
    A hard delete is whole or not at all.
    """
    store = SQLSessionStore(engine)
    result = make_execution_result(session=make_session(tags=["one"]))
    await store.flush(result)
    skipped = 0
    while True:
        refused = points.arm(refusing(engine), skip=skipped)
        (outcome,) = await race([store.delete_session("ses_1")])
        points.disarm()
        if not refused.struck:
            break

        check_known(outcome)
        assert (await store.get_session("ses_1")).tags == ("one",)
        assert len(await store.list_runs("ses_1")) == 1
        assert len(await store.get_events("ses_1")) == 2
        skipped += 1
    assert skipped > 5
    assert await store.get_events("ses_1") == []


REFUSE_POISON = {
    "postgresql": "ALTER TABLE asm_events ADD CHECK (type <> 'app.poison')",
    "sqlite": (
        "CREATE TRIGGER refuse_poison BEFORE INSERT ON asm_events"
        " WHEN NEW.type = 'app.poison' BEGIN SELECT RAISE(ABORT, 'poison'); END"
    ),
}


async def test_an_append_that_the_database_refuses_harms_no_other(
    engine: AsyncEngine,
) -> None:
    """
    Of many at once only the culprits fail, and they use up no numbers.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    async with engine.begin() as conn:
        await conn.exec_driver_sql(REFUSE_POISON[engine.dialect.name])
    events = make_events(20)
    events[7], events[13] = (
        attrs.evolve(events[number], type="app.poison") for number in (7, 13)
    )
    outcomes = await race(store.append_event_with_sequence(event) for event in events)

    for number in (7, 13):
        check_known(outcomes[number])
    stored = [outcome for outcome in outcomes if isinstance(outcome, Event)]
    assert sorted(event.sequence_number for event in stored) == list(range(1, 19))
    assert await store.get_latest_sequence("ses_1") == 18


async def test_what_a_host_raises_reaches_the_caller(engine: AsyncEngine) -> None:
    """
    An error of the engine's owner passes as it is, and the store goes on working.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())

    def object_(*_: object) -> None:
        raise LookupError

    sa_event.listen(engine.sync_engine, "before_cursor_execute", object_)
    with pytest.raises(LookupError):
        await store.delete_session("ses_2")
    sa_event.remove(engine.sync_engine, "before_cursor_execute", object_)

    assert (await store.save_session(make_session())).revision == 2


async def test_what_fails_after_a_commit_undoes_nothing(engine: AsyncEngine) -> None:
    """
    When a connection that is put back breaks, what it has committed is reported so.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    broken = count()

    @sa_event.listens_for(engine.sync_engine, "rollback")
    def break_once(_: sa.Connection) -> None:
        if not next(broken):
            raise ConnectionResetError

    assert (await store.save_session(make_session(tags=["new"]))).revision == 2
    assert (await store.get_session("ses_1")).revision == 2
