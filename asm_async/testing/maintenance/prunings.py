"""
Sessions that hold too many events.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, MaintenanceBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_event, make_events, make_session
from asm_async.testing.maintenance.contract import (
    MaintenanceContract,
    make_policy,
    store_log,
)
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.event import EventType
from asm_async.values.retention import PROTECTED_EVENT_TYPES

__all__ = ["TestSessionPruning", "TestTotalPruning"]

_MIXED = (
    EventType.SESSION_CREATED,
    EventType.MESSAGE_RECEIVED,
    EventType.MESSAGE_STREAMED,
    EventType.RUN_STARTED,
    "myapp.plan_revised",
    EventType.TOKEN_USAGE_UPDATED,
    EventType.MESSAGE_STREAMED,
    EventType.RUN_COMPLETED,
    EventType.MESSAGE_SENT,
)
"""
Numbered 1 to 9; streamed and usage go first, created, started and completed last.
"""

_ORDER = (3, 6, 7, 2, 5, 9, 1, 4, 8)


class TestSessionPruning(MaintenanceContract):
    """
    A session keeps what tells its outline longest.
    """

    @pytest.mark.parametrize("keep", range(1, 10))
    async def test_events_go_by_rank_and_then_by_age(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        keep: int,
    ) -> None:
        """
        Those to prune first, then others, then protected ones; nothing is renumbered.
        """
        await store_log(store, _MIXED)
        policy = make_policy(max_events_per_session=keep)
        pruned = await maintenance.prune_session_events("ses_1", policy)
        assert pruned == 9 - keep
        left = numbers_of(await store.get_events("ses_1"))
        assert left == sorted(_ORDER[9 - keep :])
        assert await store.get_latest_sequence("ses_1") == 9
        assert (await backend.gates())["ses_1"] == Gate(9, keep, 9 - keep, "live")
        stored = await store.append_events([make_event(id="new")])
        assert numbers_of(stored) == [10]

    async def test_the_types_to_prune_first_are_the_policys(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        An application's own type may be among them; without any, only age counts.
        """
        await store_log(store, _MIXED)
        policy = make_policy(
            max_events_per_session=8, prune_event_types_first=("myapp.plan_revised",)
        )
        assert await maintenance.prune_session_events("ses_1", policy) == 1
        assert 5 not in numbers_of(await store.get_events("ses_1"))
        policy = make_policy(max_events_per_session=5, prune_event_types_first=())
        assert await maintenance.prune_session_events("ses_1", policy) == 3
        assert numbers_of(await store.get_events("ses_1")) == [1, 4, 7, 8, 9]

    async def test_every_protected_type_outlives_all_others(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        The oldest protected event goes after the youngest of any other type.
        """
        await store_log(store, [*sorted(PROTECTED_EVENT_TYPES), EventType.MESSAGE_SENT])
        policy = make_policy(max_events_per_session=len(PROTECTED_EVENT_TYPES))
        assert await maintenance.prune_session_events("ses_1", policy) == 1
        left = {event.type for event in await store.get_events("ses_1")}
        assert left == PROTECTED_EVENT_TYPES

    async def test_what_has_no_limit_or_no_surplus_is_left_alone(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        So is a session that is not there.
        """
        await store_log(store, _MIXED)
        for policy in (make_policy(), make_policy(max_events_per_session=9)):
            assert await maintenance.prune_session_events("ses_1", policy) == 0
        policy = make_policy(max_events_per_session=1)
        assert await maintenance.prune_session_events("ses_unknown", policy) == 0
        assert len(await store.get_events("ses_1")) == 9

    @pytest.mark.parametrize("batch_size", [1, 2, 100])
    async def test_execution_prunes_every_long_session_but_exempt_ones(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        batch_size: int,
    ) -> None:
        """
        Soft-deleted ones are like others; a tag protects from execution alone.
        """
        for number in range(4):
            await store_log(store, _MIXED[: 4 + number], id=f"ses_{number}")
        await store_log(store, _MIXED, id="pinned", tags=["pinned"])
        await maintenance.soft_delete_session("ses_3")
        policy = make_policy(max_events_per_session=5, batch_size=batch_size)
        report = await maintenance.execute(policy)
        assert (report.events_pruned, report.errors) == (3, {})
        left = {name: gate.stored for name, gate in (await backend.gates()).items()}
        assert left == {"ses_0": 4, "ses_1": 5, "ses_2": 5, "ses_3": 5, "pinned": 9}
        assert numbers_of(await store.get_events("ses_2")) == [1, 2, 4, 5, 6]
        assert await maintenance.prune_session_events("pinned", policy) == 4

    async def test_a_very_long_session_is_pruned_in_order(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        However many transactions it takes, first what goes first.
        """
        await store.save_session(make_session())
        for first in range(1, 24_001, 8_000):
            batch = [
                make_event(
                    id=f"evt_{number}",
                    type=EventType.RUN_STARTED
                    if number % 4 == 0
                    else EventType.MESSAGE_STREAMED
                    if number % 4 == 1
                    else EventType.MESSAGE_SENT,
                )
                for number in range(first, first + 8_000)
            ]
            await store.append_events(batch)
        policy = make_policy(max_events_per_session=6_010)
        pruned = await maintenance.prune_session_events("ses_1", policy)
        assert pruned == 24_000 - 6_010
        left = numbers_of(await store.get_events("ses_1"))
        others = [n for n in range(1, 24_001) if n % 4 in {2, 3}][-10:]
        assert left == sorted([*range(4, 24_001, 4), *others])
        gate = (await backend.gates())["ses_1"]
        assert gate == Gate(24_000, 6_010, 17_990, "live")


@needs(Capability.SPANS_SESSIONS)
class TestTotalPruning(MaintenanceContract):
    """
    All sessions together keep what is youngest, and what tells their outlines.
    """

    async def test_the_oldest_of_all_sessions_go_first(
        self, store: SessionStore, maintenance: Maintenance
    ) -> None:
        """
        By rank, then by timestamp, whatever session they are of.
        """
        for number, session_id in enumerate(("ses_1", "ses_2")):
            await store.save_session(make_session(id=session_id))
            await store.append_events(
                [
                    make_event(
                        id=f"evt_{place}",
                        session_id=session_id,
                        type=type_,
                        timestamp=NOON + timedelta(seconds=2 * place + number),
                    )
                    for place, type_ in enumerate(
                        [
                            EventType.RUN_STARTED,
                            EventType.MESSAGE_SENT,
                            EventType.MESSAGE_STREAMED,
                            EventType.MESSAGE_SENT,
                        ]
                    )
                ]
            )
        expected = [
            ("ses_1", 3),
            ("ses_2", 3),
            ("ses_1", 2),
            ("ses_2", 2),
            ("ses_1", 4),
            ("ses_2", 4),
            ("ses_1", 1),
        ]
        for number, (session_id, gone) in enumerate(expected, start=1):
            before = numbers_of(await store.get_events(session_id))
            report = await maintenance.execute(make_policy(max_total_events=8 - number))
            assert (report.events_pruned, report.errors) == (1, {})
            after = numbers_of(await store.get_events(session_id))
            assert sorted({*before} - {*after}) == [gone]

    async def test_exempt_sessions_count_but_lose_nothing(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Once nothing else is left, there are more than the policy says.
        """
        await store_log(store, _MIXED, id="pinned", tags=["pinned"])
        await store_log(store, _MIXED)
        report = await maintenance.execute(make_policy(max_total_events=12))
        assert report.events_pruned == 6
        assert (await backend.gates())["ses_1"].stored == 3
        report = await maintenance.execute(make_policy(max_total_events=1))
        assert report.events_pruned == 3
        left = {name: gate.stored for name, gate in (await backend.gates()).items()}
        assert left == {"pinned": 9, "ses_1": 0}

    async def test_each_session_is_pruned_before_all_together(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Where the first is enough, the second does nothing.
        """
        await store_log(store, _MIXED)
        await store_log(store, _MIXED[:2], id="ses_2", created_at=NOON)
        policy = make_policy(max_events_per_session=5, max_total_events=7)
        report = await maintenance.execute(policy)
        assert report.events_pruned == 4
        left = {name: gate.stored for name, gate in (await backend.gates()).items()}
        assert left == {"ses_1": 5, "ses_2": 2}

    async def test_many_sessions_are_pruned_to_one_number(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Exactly so many are left, the youngest.
        """
        for number in range(12):
            session_id = f"ses_{number:02}"
            await store.save_session(make_session(id=session_id))
            at = NOON + timedelta(hours=number)
            events = make_events(250, session_id=session_id, timestamp=at)
            await store.append_events(events)
        policy = make_policy(max_total_events=300, batch_size=3)
        report = await maintenance.execute(policy)
        assert (report.events_pruned, report.errors) == (2_700, {})
        left = {name: gate.stored for name, gate in (await backend.gates()).items()}
        expected = dict.fromkeys(left, 0) | {"ses_10": 50, "ses_11": 250}
        assert left == expected
        assert numbers_of(await store.get_events("ses_10")) == list(range(201, 251))
