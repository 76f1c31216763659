"""
Whatever maintenance finds, it looks at again once it holds the lock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias, TypeVar

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.fronts.maintenance import Batches, do_all
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine
from asm_async.sql.core import tables
from asm_async.sql.core.activity import latest_coarse
from asm_async.sql.retention.batches import ThrottledWriter
from asm_async.sql.retention.expiry import (
    hard_delete_expired_sessions,
    soft_delete_expired_sessions,
)
from asm_async.sql.retention.orphans import close_orphaned_counters
from asm_async.sql.retention.pruning import prune_long_sessions, prune_to_total
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.testing.factories import NOON, make_event, make_events, make_session
from asm_async.values.event import EventType
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport
from tests.integration.by_hand import execute

T = TypeVar("T")
Action: TypeAlias = Callable[[SQLSessionStore, SQLMaintenance], Awaitable[object]]

LONG_AGO = NOON - timedelta(days=200)
OVER = make_session(status=SessionStatus.COMPLETED)
POLICY = RetentionPolicy(max_events_per_session=4, max_total_events=3)


class InterruptedWrites(ThrottledWriter):
    """
    Writes before which somebody else does something, once.
    """

    def __init__(self, engine: AsyncEngine, action: Action) -> None:
        super().__init__(Transactions(engine, 30.0))
        self._actions = [action]

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """
        Let the other one come first.
        """
        for action in self._actions:
            self._actions = []
            engine = self.transactions.engine
            await action(SQLSessionStore(engine), SQLMaintenance(engine))
        return await super().write(work)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on it, with a session that is too old and has too many events.
    """
    engine = create_engine(url)
    store = SQLSessionStore(engine)
    await store.save_session(OVER)
    await store.append_events(make_events(6))
    await let_rest(engine)
    yield engine
    await engine.dispose()


async def let_rest(engine: AsyncEngine) -> None:
    """
    Have the session have been last active long ago.
    """
    times = {"updated_at": LONG_AGO, "active_until": latest_coarse(LONG_AGO)}
    await execute(engine, sa.update(tables.session_sequences).values(times))


async def tag(store: SQLSessionStore, maintenance: SQLMaintenance) -> None:
    """
    Let the session be pinned, though that be long ago.
    """
    await store.save_session(attrs.evolve(OVER, tags=("pinned",)))
    await let_rest(maintenance.engine)


CHANGED: dict[str, Action] = {
    "saved": lambda store, _: store.save_session(OVER),
    "written_to": lambda store, _: store.append_event(make_event(id="evt_new")),
    "tagged": tag,
    "deleted": lambda store, _: store.delete_session("ses_1"),
    "soft_deleted": lambda _, maintenance: maintenance.soft_delete_session("ses_1"),
}


@pytest.mark.parametrize("action", CHANGED.values(), ids=CHANGED)
async def test_what_is_too_old_no_longer_is_not_soft_deleted(
    engine: AsyncEngine, action: Action
) -> None:
    """
    Nor is what somebody else has deleted, in whatever way.
    """
    writes = InterruptedWrites(engine, action)
    assert await do_all(soft_delete_expired_sessions(writes, POLICY, NOON)) == 0


async def restore_and_delete(_: SQLSessionStore, maintenance: SQLMaintenance) -> None:
    """
    Give the session another deletion, as long ago as the first.
    """
    await maintenance.restore_session("ses_1")
    earlier = NOON - timedelta(days=50)
    other = SQLMaintenance(maintenance.engine, clock=lambda: earlier)
    await other.soft_delete_session("ses_1")


RENEWED: dict[str, Action] = {
    "restored": lambda _, maintenance: maintenance.restore_session("ses_1"),
    "deleted_anew": restore_and_delete,
    "deleted": lambda store, _: store.delete_session("ses_1"),
}


@pytest.mark.parametrize("action", RENEWED.values(), ids=RENEWED)
@pytest.mark.parametrize("length", [6, 2_000])
async def test_what_is_not_as_it_was_found_is_not_removed(
    engine: AsyncEngine, action: Action, length: int
) -> None:
    """
    Nor counted, if somebody else has removed it.
    """
    store = SQLSessionStore(engine)
    await store.append_events(make_events(length - 6, first=7))
    earlier = NOON - timedelta(days=40)
    maintenance = SQLMaintenance(engine, clock=lambda: earlier)
    await maintenance.soft_delete_session("ses_1")
    writes = InterruptedWrites(engine, action)
    assert await do_all(hard_delete_expired_sessions(writes, POLICY, NOON)) == 0


async def test_what_another_is_removing_in_parts_is_not_archived(
    engine: AsyncEngine,
) -> None:
    """
    The archive would get what is left of it in place of the whole.
    """
    await SQLSessionStore(engine).save_session(make_session(id="ses_0"))
    earlier = NOON - timedelta(days=40)
    maintenance = SQLMaintenance(engine, clock=lambda: earlier)
    for session_id in ("ses_0", "ses_1"):
        await maintenance.soft_delete_session(session_id)
    archived: list[str] = []
    gates, events = tables.session_sequences, tables.events
    is_other = gates.c.session_id == "ses_1"
    begin = sa.update(gates).where(is_other).values(state="deleting", pruned_count=3)

    async def archive(export: SessionExport) -> None:
        archived.append(export.session.id)
        async with engine.begin() as conn:
            await conn.execute(begin)
            await conn.execute(sa.delete(events).where(events.c.sequence_number < 4))

    writes = ThrottledWriter(Transactions(engine, 30.0))
    policy = RetentionPolicy(archive=archive)
    await do_all(hard_delete_expired_sessions(writes, policy, NOON))
    assert archived == ["ses_0"]


SHORTENED: dict[str, Action] = {
    "tagged": tag,
    "deleted": lambda store, _: store.delete_session("ses_1"),
    "pruned": lambda _, maintenance: maintenance.prune_session_events(
        "ses_1", RetentionPolicy(max_events_per_session=3)
    ),
}


@pytest.mark.parametrize("prune", [prune_long_sessions, prune_to_total])
@pytest.mark.parametrize("action", SHORTENED.values(), ids=SHORTENED)
async def test_what_is_too_long_no_longer_is_not_pruned(
    engine: AsyncEngine,
    action: Action,
    prune: Callable[[ThrottledWriter, RetentionPolicy], Batches],
) -> None:
    """
    Nor is what has become exempt.
    """
    writes = InterruptedWrites(engine, action)
    assert await do_all(prune(writes, POLICY)) == 0


async def test_a_session_that_another_pruned_in_another_order_keeps_the_rest(
    engine: AsyncEngine,
) -> None:
    """
    The events that were found are still there, but no longer too many.
    """
    store = SQLSessionStore(engine)
    streamed = make_events(2, first=7, type=EventType.MESSAGE_STREAMED)
    await store.append_events(streamed)
    other = RetentionPolicy(max_events_per_session=6)
    ours = RetentionPolicy(max_events_per_session=6, prune_event_types_first=())
    writes = InterruptedWrites(
        engine, lambda _, maintenance: maintenance.prune_session_events("ses_1", other)
    )
    assert await do_all(prune_long_sessions(writes, ours)) == 0
    left = [event.sequence_number for event in await store.get_events("ses_1")]
    assert left == [1, 2, 3, 4, 5, 6]


async def test_a_counter_that_got_its_session_is_not_closed(
    engine: AsyncEngine,
) -> None:
    """
    A session may be saved under the id meanwhile.
    """
    gate = {"pruned_count": 0, "last_sequence": 0, "state": "live", "updated_at": NOON}
    insert = sa.insert(tables.session_sequences).values(session_id="ses_2", **gate)
    await execute(engine, insert)
    writes = InterruptedWrites(
        engine, lambda store, _: store.save_session(make_session(id="ses_2"))
    )
    assert await do_all(close_orphaned_counters(writes, POLICY)) == 0
