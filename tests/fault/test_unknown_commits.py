"""
The connection is lost around a COMMIT, on PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import attrs
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import SessionNotFoundError, StorageUnavailableError
from asm_async.sql import SQLSessionStore
from asm_async.testing.concurrency import race
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.faults import Moment, ProxyAct, TCPProxy
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from tests.fault.conftest import OpenEngine

Call: TypeAlias = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.postgres

COMMIT = b"COMMIT;"

EVENT = b"evt_1"
"""
What a statement that appends has among its parameters.
"""

RUN = b'"run saved"'
"""
What one has that saves a run.
"""

SESSION = b'"session saved"'
"""
What one has that saves a session.
"""

either_moment = pytest.mark.parametrize(
    "moment", [Moment.BEFORE_SEND, Moment.BEFORE_ANSWER]
)
"""
The connection breaks before the server gets a message, or when it has obeyed it.
"""


@pytest.fixture
async def store(engine_by_way: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store with a session, a run and an event, on connections that can be cut.
    """
    store = SQLSessionStore(engine_by_way)
    await store.save_session(make_session())
    await store.save_run(make_run())
    await store.append_event(make_event(id="evt_first"))
    yield store
    await store.aclose()


async def what_is_stored(store: SQLSessionStore) -> tuple[int, int, list[int]]:
    """
    Return the revisions of session and run, and the numbers of the events.
    """
    session, run = await store.get_session("ses_1"), await store.get_run("run_1")
    events = await store.get_events("ses_1")
    assert await store.get_latest_sequence("ses_1") == len(events)
    return session.revision, run.revision, [e.sequence_number for e in events]


SAVED_SESSION = make_session(metadata={"is": "session saved"})
TAGGED_SESSION = attrs.evolve(SAVED_SESSION, tags=("new",))
SAVED_RUN = make_run(metadata={"is": "run saved"})
NEW_RUN = attrs.evolve(SAVED_RUN, id="run_2")
RESULT = make_execution_result(session=SAVED_SESSION, run=SAVED_RUN)


@either_moment
@pytest.mark.parametrize(
    ("expected_sequence", "message"), [(None, EVENT), (1, EVENT), (None, COMMIT)]
)
async def test_an_append_is_repeated_and_stored_once(
    store: SQLSessionStore,
    way: TCPProxy,
    *,
    moment: Moment,
    expected_sequence: int | None,
    message: bytes,
) -> None:
    """
    Whether or not what was lost had been carried out, the events are there once.
    """
    # One that is stored already keeps the append from being a single statement.
    known = [make_event(id="evt_first")] if message == COMMIT else []
    fault = way.arm(ProxyAct.CUT, message, moment=moment)
    stored = await store.append_events(
        [*known, *make_events(3)] if expected_sequence is None else make_events(3),
        expected_sequence=expected_sequence,
    )

    assert fault.happened.is_set()
    assert [e.sequence_number for e in stored][-3:] == [2, 3, 4]
    assert await what_is_stored(store) == (1, 1, [1, 2, 3, 4])


@attrs.frozen
class Case:
    """
    A write, and what is stored when it was done once.
    """

    call: Callable[[SQLSessionStore], Awaitable[Any]]
    stored: tuple[int, int, list[int]]
    message: bytes = COMMIT
    """
    What it is committed by: a statement of its own, or the one that does all of it.
    """


REPEATABLE = {
    "save_session": Case(
        lambda store: store.save_session(SAVED_SESSION, expected_revision=1),
        (2, 1, [1]),
        SESSION,
    ),
    "save_of_a_session_with_other_tags": Case(
        lambda store: store.save_session(TAGGED_SESSION, expected_revision=1),
        (2, 1, [1]),
    ),
    "save_run": Case(
        lambda store: store.save_run(SAVED_RUN, expected_revision=1),
        (1, 2, [1]),
        RUN,
    ),
    "flush": Case(
        lambda store: store.flush(RESULT, expected_sequence=1),
        (2, 2, [1, 2, 3]),
        SESSION,
    ),
    "flush_expecting_a_revision": Case(
        lambda store: store.flush(
            attrs.evolve(RESULT, events=()), expected_revision=1, expected_sequence=1
        ),
        (2, 2, [1]),
        SESSION,
    ),
    "commit_expecting_the_revision_of_a_run": Case(
        lambda store: store.commit(
            Changes(runs=(SAVED_RUN,), events=RESULT.events),
            expected_revisions={SAVED_RUN.id: 1},
        ),
        (1, 2, [1, 2, 3]),
        RUN,
    ),
    "commit_expecting_that_there_is_no_such_run": Case(
        lambda store: store.commit(
            Changes(runs=(NEW_RUN,), events=RESULT.events),
            expected_revisions={NEW_RUN.id: 0},
        ),
        (1, 1, [1, 2, 3]),
        RUN,
    ),
    "commit_of_events_while_a_run_is_as_it_was": Case(
        lambda store: store.commit(
            Changes(events=RESULT.events), expected_revisions={SAVED_RUN.id: 1}
        ),
        (1, 1, [1, 2, 3]),
        EVENT,
    ),
    "commit_of_events_with_an_item": Case(
        lambda store: store.commit(
            Changes(events=RESULT.events, items=(make_item(),)),
            expected_revisions={("app/user", "theme"): 0},
        ),
        (1, 1, [1, 2, 3]),
        EVENT,
    ),
    "commit_of_events_with_any_item": Case(
        lambda store: store.commit(
            Changes(events=RESULT.events, items=(make_item(),)), expected_sequence=1
        ),
        (1, 1, [1, 2, 3]),
        EVENT,
    ),
    "commit_that_creates_what_is_there": Case(
        lambda store: store.commit(
            Changes(create_session=SAVED_SESSION, events=RESULT.events)
        ),
        (1, 1, [1, 2, 3]),
    ),
}

UNREPEATABLE = {
    "save_session": Case(
        lambda store: store.save_session(SAVED_SESSION), (2, 1, [1]), SESSION
    ),
    "save_of_a_session_with_other_tags": Case(
        lambda store: store.save_session(TAGGED_SESSION), (2, 1, [1])
    ),
    "save_run": Case(lambda store: store.save_run(SAVED_RUN), (1, 2, [1]), RUN),
    "flush": Case(lambda store: store.flush(RESULT), (2, 2, [1, 2, 3]), SESSION),
    "commit": Case(
        lambda store: store.commit(Changes(runs=(SAVED_RUN,), events=RESULT.events)),
        (1, 2, [1, 2, 3]),
        RUN,
    ),
    "commit_of_a_new_run": Case(
        lambda store: store.commit(Changes(runs=(NEW_RUN,), events=RESULT.events)),
        (1, 1, [1, 2, 3]),
        RUN,
    ),
    "save_of_a_run_that_was_read": Case(
        lambda store: store.save_run(attrs.evolve(SAVED_RUN, revision=1)),
        (1, 2, [1]),
        RUN,
    ),
    "flush_without_events": Case(
        lambda store: store.flush(attrs.evolve(RESULT, events=()), expected_sequence=1),
        (2, 2, [1]),
        SESSION,
    ),
}


async def test_each_member_of_a_group_hears_of_its_own_case(
    store: SQLSessionStore, way: TCPProxy
) -> None:
    """
    Of operations that shared a lost COMMIT the repeatable ones succeed.
    """
    fault = way.arm(ProxyAct.CUT, COMMIT, moment=Moment.BEFORE_ANSWER)
    first, saved, appended, expecting = await race(
        [
            store.append_event_with_sequence(make_event(id="evt_before")),
            store.save_session(SAVED_SESSION),
            store.append_event_with_sequence(make_event(id="evt_first")),
            store.save_run(SAVED_RUN, expected_revision=1),
        ]
    )

    assert fault.happened.is_set()
    assert isinstance(first, Event)
    assert isinstance(appended, Event)
    assert isinstance(expecting, Run)
    assert isinstance(saved, StorageUnavailableError)
    assert saved.outcome_unknown
    assert await what_is_stored(store) == (2, 2, [1, 2])


@either_moment
@pytest.mark.parametrize("name", REPEATABLE)
async def test_a_write_with_an_expectation_recognises_itself(
    store: SQLSessionStore, way: TCPProxy, name: str, *, moment: Moment
) -> None:
    """
    Tried again after its COMMIT was lost, it succeeds and is done once.
    """
    case = REPEATABLE[name]
    fault = way.arm(ProxyAct.CUT, case.message, moment=moment)
    await case.call(store)

    assert fault.happened.is_set()
    assert await what_is_stored(store) == case.stored


@either_moment
@pytest.mark.parametrize("name", UNREPEATABLE)
@pytest.mark.parametrize("act", [ProxyAct.CUT, ProxyAct.HALF_CLOSE])
@pytest.mark.parametrize("after_bytes", [0, 1, 5])
async def test_a_write_without_one_is_not_repeated(
    store: SQLSessionStore,
    way: TCPProxy,
    name: str,
    *,
    moment: Moment,
    act: ProxyAct,
    after_bytes: int,
) -> None:
    """
    It raises an error that says that the outcome is unknown, however much was sent.
    """
    case = UNREPEATABLE[name]
    fault = way.arm(act, case.message, moment=moment, after_bytes=after_bytes)
    with pytest.raises(StorageUnavailableError) as caught:
        await case.call(store)

    assert fault.happened.is_set()
    assert caught.value.outcome_unknown
    expected = case.stored if moment is Moment.BEFORE_ANSWER else (1, 1, [1])
    assert await what_is_stored(store) == expected


@either_moment
async def test_a_statement_that_does_not_commit_is_known_not_to_have(
    store: SQLSessionStore, way: TCPProxy, *, moment: Moment
) -> None:
    """
    A save that shares its transaction with what is looked at first is made again.
    """
    fault = way.arm(ProxyAct.CUT, SESSION, moment=moment)
    saved, created = await race(
        [
            store.save_session(SAVED_SESSION),
            store.commit(Changes(create_session=make_session(id="ses_2"))),
        ]
    )

    assert fault.happened.is_set()
    assert isinstance(saved, Session)
    assert isinstance(created, Committed)
    assert await what_is_stored(store) == (2, 1, [1])


@pytest.mark.parametrize("name", ["save_session", "save_run"])
@pytest.mark.parametrize("others", [1, 2])
async def test_a_save_that_others_overtook_meanwhile_is_not_said_to_have_failed(
    store: SQLSessionStore,
    way: TCPProxy,
    migrated_postgres_url: str,
    open_engine: OpenEngine,
    *,
    name: str,
    others: int,
) -> None:
    """
    Its own revision may have been the one before theirs: the outcome is unknown.
    """
    other = SQLSessionStore(open_engine(migrated_postgres_url))
    case = REPEATABLE[name]
    fault = way.arm(ProxyAct.CUT, case.message, moment=Moment.BEFORE_ANSWER)
    saving = asyncio.ensure_future(case.call(store))
    await fault.happened.wait()
    way.is_blocked = True
    for _ in range(others):
        await other.save_session(make_session())
        await other.save_run(make_run())
    way.is_blocked = False
    with pytest.raises(StorageUnavailableError, match="revision") as caught:
        await saving

    assert caught.value.outcome_unknown
    await other.aclose()


async def test_a_deletion_is_repeated(store: SQLSessionStore, way: TCPProxy) -> None:
    """
    Deleting twice is as good as once.
    """
    fault = way.arm(ProxyAct.CUT, COMMIT, moment=Moment.BEFORE_ANSWER)
    await store.delete_session("ses_1")

    assert fault.happened.is_set()
    assert await store.get_events("ses_1") == []


@either_moment
async def test_a_tenants_deletion_is_repeated(
    store: SQLSessionStore, way: TCPProxy, *, moment: Moment
) -> None:
    """
    It has succeeded, and does not take what it removed itself for another tenant's.
    """
    await store.save_session(make_session(tenant_id="tenant"))
    fault = way.arm(ProxyAct.CUT, COMMIT, moment=moment)
    await store.delete_session("ses_1", expected_tenant="tenant")

    assert fault.happened.is_set()
    with pytest.raises(SessionNotFoundError):
        await store.delete_session("ses_1", expected_tenant="tenant")


@pytest.mark.parametrize("expected_tenant", [None, "tenant"])
async def test_a_repeated_deletion_spares_what_was_begun_meanwhile(
    store: SQLSessionStore,
    way: TCPProxy,
    migrated_postgres_url: str,
    open_engine: OpenEngine,
    expected_tenant: str | None,
) -> None:
    """
    Once it was committed, though nobody was told, what comes next is not its to remove.
    """
    await store.save_session(make_session(tenant_id="tenant"))
    other = SQLSessionStore(open_engine(migrated_postgres_url))
    fault = way.arm(ProxyAct.CUT, COMMIT, moment=Moment.BEFORE_ANSWER)
    deleting = asyncio.ensure_future(
        store.delete_session("ses_1", expected_tenant=expected_tenant)
    )
    await fault.happened.wait()
    way.is_blocked = True
    with pytest.raises(SessionNotFoundError):
        await other.get_session("ses_1")
    begun = await other.save_session(make_session(tenant_id=expected_tenant))
    way.is_blocked = False
    await deleting

    assert await other.get_session("ses_1") == begun
    await other.aclose()


@pytest.mark.parametrize(("copies", "message"), [(1, EVENT), (2, COMMIT)])
async def test_an_unknown_outcome_stays_unknown(
    engine_by_way: AsyncEngine,
    way: TCPProxy,
    *,
    copies: int,
    message: bytes,
) -> None:
    """
    What goes wrong later, as the timeout runs out, does not hide that it is unknown.
    """
    patient = SQLSessionStore(engine_by_way)
    await patient.save_session(make_session())
    store = SQLSessionStore(engine_by_way, timeout=1)
    fault = way.arm(ProxyAct.CUT, message, moment=Moment.BEFORE_ANSWER)
    way.is_blocked = True
    with pytest.raises(StorageUnavailableError) as caught:
        await store.append_events([make_event()] * copies)
    way.is_blocked = False

    assert fault.happened.is_set()

    assert caught.value.outcome_unknown
    assert len(await patient.get_events("ses_1")) == 1
