"""
Maintenance does the same in memory and in a database, whatever there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_async.testing.backend import Gate, MaintenanceBackend
from asm_async.testing.factories import NOON, make_event, make_session
from asm_async.values.event import Event, EventType
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session, SessionStatus
from tests.backends import InMemoryBackend, SQLBackend
from tests.effort import examples

_TYPES = [
    EventType.MESSAGE_STREAMED,
    EventType.MESSAGE_SENT,
    EventType.RUN_STARTED,
    EventType.ERROR_OCCURRED,
    "myapp.plan",
]
_DAYS = st.integers(0, 6).map(lambda days: NOON - timedelta(days=days))
_LIMITS = st.none() | st.integers(1, 6)


@attrs.frozen
class Owner:
    """
    A session, when it was soft-deleted, and its events.
    """

    session: Session
    deleted_days_ago: int | None
    events: list[Event]


@attrs.frozen
class Found:
    """
    All that can be seen after maintenance.
    """

    counts: Mapping[str, Any]
    sessions: list[Session]
    events: list[list[Event]]
    gates: Mapping[str, Gate]


@st.composite
def owners(draw: st.DrawFn) -> list[Owner]:
    """
    Make a few sessions of all ages, with a few events each.
    """
    made: list[Owner] = []
    for number in range(draw(st.integers(0, 5))):
        session = make_session(
            id=f"ses_{number}",
            status=draw(st.sampled_from(SessionStatus)),
            last_activity_at=draw(_DAYS),
            tags=draw(st.sets(st.sampled_from(["pinned", "kept", "a"]))),
        )
        events = [
            make_event(
                id=f"evt_{place}",
                session_id=session.id,
                type=draw(st.sampled_from(_TYPES)),
                timestamp=draw(_DAYS),
            )
            for place in range(draw(st.integers(0, 7)))
        ]
        days = draw(st.none() | st.integers(0, 6))
        made.append(Owner(session, days, events))
    return made


policies = st.builds(
    RetentionPolicy,
    max_session_age_days=_LIMITS,
    max_completed_session_age_days=_LIMITS,
    max_idle_days=_LIMITS,
    max_events_per_session=_LIMITS,
    max_total_events=st.none() | st.integers(1, 20),
    hard_delete_after_days=_LIMITS,
    exempt_statuses=st.sets(st.sampled_from(SessionStatus)).map(tuple),
    exempt_tags=st.sets(st.sampled_from(["pinned", "kept"])).map(tuple),
    prune_event_types_first=st.sets(
        st.sampled_from([EventType.MESSAGE_STREAMED, "myapp.plan"])
    ).map(tuple),
    batch_size=st.integers(1, 4),
)


async def maintained(
    backend: MaintenanceBackend, made: list[Owner], policy: RetentionPolicy
) -> Found:
    """
    Store sessions, do what a policy asks for, and look at what there is then.
    """
    store = await backend.open_store()
    for owner in made:
        await store.save_session(owner.session)
        await store.append_events(owner.events)
        assert owner.session.last_activity_at is not None
        await backend.set_last_activity(
            owner.session.id, owner.session.last_activity_at
        )
        if owner.deleted_days_ago is not None:
            then = NOON - timedelta(days=owner.deleted_days_ago)
            earlier = await backend.open_maintenance(now=then)
            await earlier.soft_delete_session(owner.session.id)
    maintenance = await backend.open_maintenance(now=NOON)
    report = await maintenance.execute(policy)
    again = await maintenance.execute(policy)
    found = Found(
        counts=attrs.asdict(report) | {"duration_ms": 0, "again": again.events_pruned},
        sessions=await store.list_sessions(include_deleted=True),
        events=[await store.get_events(owner.session.id) for owner in made],
        gates=await backend.gates(),
    )
    await store.aclose()
    return found


async def both(made: list[Owner], policy: RetentionPolicy) -> tuple[Found, Found]:
    """
    Maintain the same in memory and in SQLite.
    """
    in_memory = await maintained(InMemoryBackend(), made, policy)
    async with SQLBackend("sqlite+aiosqlite://") as backend:
        return in_memory, await maintained(backend, made, policy)


@settings(max_examples=examples(60))
@given(made=owners(), policy=policies)
def test_maintenance_is_the_same_everywhere(
    made: list[Owner], policy: RetentionPolicy
) -> None:
    """
    The same sessions and events are left, the same is reported, and once is enough.
    """
    with asyncio.Runner() as runner:
        in_memory, in_database = runner.run(both(made, policy))

    assert in_database == in_memory
    assert in_memory.counts["again"] == 0
    assert in_memory.counts["errors"] == {}
