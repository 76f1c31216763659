"""
Retention and erasure go on while a shard is moved, and the move carries what they did.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import SessionNotFoundError, StorageBusyError, StorageError
from asm_async.fronts.erasing import ErasureFilter, Member
from asm_async.ports.maintenance import Maintenance
from asm_async.sharding import ShardedPorts, copying, move_shard, router
from asm_async.sql.core import tables
from asm_async.sql.retention.erasing import SQLErasure
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.maintenance import HealthIssueKind, MaintenanceStep
from asm_async.values.retention import RetentionPolicy
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    break_off_move,
)

_POLICY = RetentionPolicy(
    max_events_per_session=3,
    hard_delete_after_days=1,
    max_completed_session_age_days=None,
)

Call: TypeAlias = Callable[[ShardedPorts], Awaitable[object]]


async def _execute(maintenance: Maintenance) -> None:
    report = await maintenance.execute(_POLICY)
    assert report.errors == {}
    assert report.events_pruned == 5
    assert report.sessions_hard_deleted == 1


async def _erase(maintenance: Maintenance) -> None:
    assert (await maintenance.erase(user_id="usr_gone")).is_complete


async def _remove_artifacts(ports: ShardedPorts) -> None:
    assert await ports.artifacts.hard_delete_expired(datetime.now(UTC)) == 1


_CALLS: Mapping[str, Call] = {
    "execute": lambda ports: _execute(ports.maintenance),
    "erase": lambda ports: _erase(ports.maintenance),
    "hard_delete_expired": _remove_artifacts,
}


@pytest.fixture
async def filled(ports: ShardedPorts, movers: Mapping[str, AsyncEngine]) -> None:
    """
    Store sessions of which one is too long, and others are deleted or a user's.
    """
    for name in ("long", "deleted", "erased", "kept"):
        session_id = f"acme/{name}"
        user_id = "usr_gone" if name == "erased" else None
        await ports.store.save_session(make_session(id=session_id, user_id=user_id))
        await ports.store.save_run(make_run(id=f"run_{name}", session_id=session_id))
        count = 8 if name == "long" else 2
        await ports.store.append_events(make_events(count, session_id=session_id))
        await ports.state.save_items(
            [make_item(scope=session_id, key="k", session_id=session_id)]
        )
        await ports.artifacts.register(
            make_artifact(id=f"art_{name}", key=f"acme/{name}", session_id=session_id)
        )
    await ports.artifacts.soft_delete("art_kept")
    await ports.maintenance.soft_delete_session("acme/deleted")
    sessions = tables.sessions
    long_ago = datetime.now(UTC) - timedelta(days=9)
    async with movers[SOURCE].begin() as conn:
        change = sa.update(sessions).where(sessions.c.deleted_at.is_not(None))
        await conn.execute(change.values(deleted_at=long_ago))


async def _check_retained(ports: ShardedPorts) -> None:
    events = await ports.store.get_events("acme/long")
    assert [event.sequence_number for event in events] == [6, 7, 8]
    assert len(await ports.store.get_events("acme/kept")) == 2
    sessions = await ports.store.list_sessions(include_deleted=True)
    assert {each.id for each in sessions} == {"acme/long", "acme/kept"}
    runs = await ports.query.search_runs()
    assert {run.id for run in runs} == {"run_long", "run_kept"}
    for name in ("deleted", "erased"):
        with pytest.raises(SessionNotFoundError):
            await ports.store.get_session(f"acme/{name}")
        assert await ports.state.list_items(f"acme/{name}") == []
        # Their numbers stay used; those of what was erased do not show how many.
        await ports.store.save_session(make_session(id=f"acme/{name}"))
        event = make_event(id="evt_9", session_id=f"acme/{name}")
        stored = await ports.store.append_event_with_sequence(event)
        assert stored.sequence_number == 3 or name == "erased"
        assert stored.sequence_number >= 3
    issues = {issue.kind for issue in await ports.maintenance.health_check()}
    assert issues <= {HealthIssueKind.WEAK_DURABILITY}


@pytest.mark.usefixtures("filled")
async def test_a_move_carries_what_was_removed_meanwhile(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Nothing comes back that retention, or an erasure, took after it had been copied.
    """
    copy_all = copying.Copying.copy_all

    async def copy_and_retain(self: copying.Copying) -> int:
        count = await copy_all(self)
        at_source = ports.primaries[SOURCE]
        await _execute(at_source.maintenance)
        await _erase(at_source.maintenance)
        assert await at_source.artifacts.hard_delete_expired(datetime.now(UTC)) == 1
        return count

    monkeypatch.setattr(copying.Copying, "copy_all", copy_and_retain)
    await move_shard(movers, SHARD, TARGET)
    await _check_retained(ports)
    assert (
        await ports.artifacts.list_by_session("acme/kept", include_deleted=True) == []
    )


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
async def test_what_meets_a_copy_waits_until_it_has_arrived(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
    call: Call,
) -> None:
    """
    The call then does all it has to do, and the caller need not know of the move.
    """
    is_refused = asyncio.Event()
    wait_out = router.Refusals.wait_out
    calls: list[asyncio.Task[object]] = []

    async def note(self: router.Refusals, refusal: StorageError) -> None:
        is_refused.set()
        await wait_out(self, refusal)

    async def copy_and_call(self: copying.Copying) -> int:
        count = await copy_all(self)
        calls.append(asyncio.ensure_future(call(ports)))
        waiting = asyncio.ensure_future(is_refused.wait())
        await asyncio.wait([calls[0], waiting], return_when="FIRST_COMPLETED")
        waiting.cancel()
        assert not calls[0].done()
        return count

    copy_all = copying.Copying.copy_all
    monkeypatch.setattr(copying.Copying, "copy_all", copy_and_call)
    monkeypatch.setattr(router.Refusals, "wait_out", note)
    await move_shard(movers, SHARD, TARGET)
    await calls[0]


@pytest.mark.usefixtures("filled")
async def test_a_mover_that_is_no_more_keeps_nobody_waiting_for_ever(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The error can be retried, and says how the move ends; the rest is done before.
    """
    await break_off_move(movers, copying.Copying, "check")
    monkeypatch.setattr(ports.router, "timeout", 0.0)
    report = await ports.maintenance.execute(_POLICY)
    (error,) = report.errors[MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS]
    assert isinstance(error, StorageBusyError)
    assert error.retryable
    assert "asm shards abandon" in str(error)
    assert len(report.errors) == 1
    # The source, which comes later, has done its part.
    assert report.events_pruned == 5
    assert report.sessions_hard_deleted == 1
    with pytest.raises(StorageBusyError, match="asm shards move"):
        await ports.maintenance.erase(user_id="usr_gone")
    monkeypatch.undo()
    await move_shard(movers, SHARD, TARGET)
    await _erase(ports.maintenance)
    await _check_retained(ports)


@pytest.mark.usefixtures("filled")
async def test_an_erasure_misses_no_session_that_moves_past_it(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Its new primary is asked again, which was asked before the session came there.
    """
    find = SQLErasure.find
    are_asked: list[str] = []

    async def find_and_move(
        self: SQLErasure, wanted: ErasureFilter
    ) -> AsyncGenerator[Sequence[Member]]:
        async for page in find(self, wanted):
            yield page
        are_asked.append("one")
        if len(are_asked) == 1:
            await move_shard(movers, SHARD, TARGET)

    monkeypatch.setattr(SQLErasure, "find", find_and_move)
    erased = await ports.maintenance.erase(user_id="usr_gone")
    assert (erased.session_count, erased.is_complete) == (1, True)
