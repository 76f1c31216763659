"""
Calls are cancelled at each of their awaits.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeAlias

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async import open_ports
from asm_async.errors import NotFoundError
from asm_async.sql import SQLSessionStore
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.faults import Moment, cancel_at
from asm_async.values.changes import Changes
from asm_async.values.execution_result import ExecutionResult
from tests.fault.leftovers import wait_for_other_tasks

Stored: TypeAlias = tuple[int, int, list[tuple[int, str]]] | None

BEFORE: Stored = (1, 1, [(1, "evt_1")])


def result_of(session_id: str, numbers: range, **fields: Any) -> ExecutionResult:
    """
    Make a session, its run and the events of some numbers.
    """
    run_id = f"run_{session_id}"
    return make_execution_result(
        session=make_session(id=session_id, **fields),
        run=make_run(id=run_id, session_id=session_id, **fields),
        events=make_events(len(numbers), first=numbers[0], session_id=session_id),
    )


@attrs.frozen
class Case:
    """
    A call that may be repeated, and what is stored when it was done.
    """

    call: Callable[[SQLSessionStore, ExecutionResult], Coroutine[Any, Any, Any]]
    stored: Stored


WRITES = {
    "append": Case(
        lambda store, later: store.append_events(later.events),
        (1, 1, [(1, "evt_1"), (2, "evt_2"), (3, "evt_3")]),
    ),
    "save_session": Case(
        lambda store, later: store.save_session(
            session_of(later), expected_revision=1, operation_id="op_1"
        ),
        (2, 1, [(1, "evt_1")]),
    ),
    "flush": Case(
        lambda store, later: store.flush(later, expected_sequence=1),
        (2, 2, [(1, "evt_1"), (2, "evt_2"), (3, "evt_3")]),
    ),
    "commit": Case(
        lambda store, later: store.commit(
            Changes(runs=(run_of(later),), events=later.events),
            expected_revisions={run_of(later).id: 1},
            operation_id="op_1",
        ),
        (1, 2, [(1, "evt_1"), (2, "evt_2"), (3, "evt_3")]),
    ),
    "delete": Case(lambda store, later: store.delete_session(later.session_id), None),
}


async def what_is_stored(store: SQLSessionStore, session_id: str) -> Stored:
    """
    Return the revisions of session and run and the events; None if all is gone.
    """
    events = await store.get_events(session_id)
    latest = await store.get_latest_sequence(session_id)
    runs = await store.list_runs(session_id)
    try:
        session = await store.get_session(session_id)
    except NotFoundError:
        assert (events, latest, runs) == ([], 0, [])
        return None
    assert latest == len(events)
    (run,) = runs
    return session.revision, run.revision, [(e.sequence_number, e.id) for e in events]


async def check_nothing_is_left(engine: AsyncEngine) -> None:
    """
    Assert that no task, connection or lock outlives a cancelled call.
    """
    await wait_for_other_tasks()
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedout() == 0
    if engine.dialect.name == "postgresql":
        locks = (
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        async with engine.connect() as conn:
            assert await conn.scalar(sa.text(locks)) == 0


@pytest.mark.parametrize("moment", [Moment.AFTER_SEND, Moment.BEFORE_ANSWER])
@pytest.mark.parametrize("name", WRITES)
async def test_a_cancelled_write_is_done_or_not(
    name: str, moment: Moment, engine: AsyncEngine
) -> None:
    """
    Cancelled at any await, a write is whole or not at all, for good; nothing is kept.
    """
    case, store = WRITES[name], SQLSessionStore(engine)
    found: list[Stored] = []
    for number in count(1):
        id_ = f"ses_{number}"
        await store.flush(result_of(id_, range(1, 2)))
        later = result_of(id_, range(2, 4), metadata={"is": "later"})
        # Connecting takes part too.
        await engine.dispose()
        outcome = await cancel_at(number, case.call(store, later), moment)
        await check_nothing_is_left(engine)
        found.append(await what_is_stored(store, id_))
        if not outcome.was_reached:
            break

        assert outcome.was_interrupted
        assert found[-1] in (BEFORE, case.stored)
        # What still lingered would come to an end before this, for it locks as well.
        await case.call(store, later)
        assert await what_is_stored(store, id_) == case.stored
    # The first await is that for the whole: answered, all is done. Of the others some
    # come before the transaction, and withdraw the call; the later ones do not.
    at_once, *others = found
    assert at_once == (BEFORE if moment is Moment.AFTER_SEND else case.stored)
    assert BEFORE in others
    assert others[-1] == case.stored
    if moment is Moment.AFTER_SEND:
        # Answers come in another order: a connection is opened in a task of its own,
        # whose awaits begin after that for the whole of it and end before.
        assert others == sorted(others, key=lambda stored: stored != BEFORE)


async def test_a_cancelled_wait_for_events_leaves_nothing(engine: AsyncEngine) -> None:
    """
    Cancelled at any await, a reader that waits is forgotten.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    for number in range(1, 9):
        waiting = store.get_events("ses_1", wait_timeout=30)
        outcome = await cancel_at(number, waiting, Moment.AFTER_SEND)
        await check_nothing_is_left(engine)

        assert outcome.was_interrupted
    assert shared_state(engine).hub._waiters == {}


@pytest.mark.parametrize("moment", [Moment.AFTER_SEND, Moment.BEFORE_ANSWER])
async def test_a_database_in_memory_outlives_a_cancelled_handler(
    moment: Moment,
) -> None:
    """
    Cancelled at any await, also of a batch's transaction, nothing of it is lost.
    """
    awaits = 0
    async with open_ports("sqlite+aiosqlite://", migrate=True) as ports:
        index = ports.text_search
        assert index is not None
        for number in count(1):
            # There is something to index each time.
            await ports.store.save_session(make_session(id=f"ses_{number}"))
            said = make_event(type="message_sent", data={"content": "a word"})
            event = attrs.evolve(said, session_id=f"ses_{number}")
            await ports.store.append_event(event)
            outcome = await cancel_at(number, index.update(), moment)

            assert await ports.store.get_latest_sequence(f"ses_{number}") == 1
            if not outcome.was_reached:
                break
            awaits = number
    assert awaits > 20
