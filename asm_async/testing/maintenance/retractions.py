"""
Sessions that are pruned though something of them is hidden.
"""

from __future__ import annotations

import pytest

from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, MaintenanceBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_events, make_session
from asm_async.testing.maintenance.contract import MaintenanceContract, make_policy
from asm_async.testing.session_store.contract import OpenStore, numbers_of
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.maintenance import HealthIssue, HealthIssueKind

__all__ = ["TestPrunedRetractions"]


async def _rewind_twice(store: SessionStore, session_id: str) -> None:
    """
    Store events 1 to 8, hide 3 and 4 by number 9, then 6 and 7 by number 10.
    """
    await store.save_session(make_session(id=session_id))
    await store.append_events(make_events(8, session_id=session_id))
    await store.retract_events(session_id, first=3, last=4)
    await store.retract_events(session_id, first=6, last=7)


async def _damage(maintenance: Maintenance) -> list[HealthIssue]:
    """
    Return what is wrong, but for how durable the database was set.
    """
    weak = HealthIssueKind.WEAK_DURABILITY
    return [one for one in await maintenance.health_check() if one.kind is not weak]


class TestPrunedRetractions(MaintenanceContract):
    """
    Pruning brings nothing back that was hidden.
    """

    @pytest.mark.parametrize("keep", range(1, 10))
    async def test_the_latest_retraction_is_never_pruned(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        keep: int,
    ) -> None:
        """
        Others go before it, hidden or not; the older one goes like any other event.
        """
        await _rewind_twice(store, "ses_1")
        policy = make_policy(
            max_events_per_session=keep, prune_event_types_first=(EVENTS_RETRACTED,)
        )
        pruned = await maintenance.prune_session_events("ses_1", policy)
        assert pruned == 10 - keep
        left = numbers_of(await store.get_events("ses_1"))
        assert left == sorted([10, 8, 7, 6, 5, 4, 3, 2, 1][:keep])
        visible = numbers_of(await store.get_events("ses_1", visible_only=True))
        assert visible == [n for n in left if n in {1, 2, 5, 8}]
        assert (await backend.gates())["ses_1"] == Gate(10, keep, 10 - keep, "live")
        assert await _damage(maintenance) == []
        (told,) = await store.retract_events("ses_1", first=8, last=8)
        assert told.data["hidden"] == [[3, 4], [6, 8]]

    @needs(Capability.SPANS_SESSIONS)
    async def test_all_sessions_keep_their_latest_retraction(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Where nothing else is left there are more events than the policy says.
        """
        for session_id in ("ses_1", "ses_2", "ses_3"):
            await _rewind_twice(store, session_id)
        report = await maintenance.execute(make_policy(max_total_events=2))
        assert (report.events_pruned, report.errors) == (27, {})
        assert {gate.stored for gate in (await backend.gates()).values()} == {1}
        report = await maintenance.execute(make_policy(max_total_events=2))
        assert (report.events_pruned, report.errors) == (0, {})
        await store.delete_session("ses_1")
        assert await _damage(maintenance) == []

    async def test_what_is_hidden_meanwhile_stays_hidden(
        self,
        store: SessionStore,
        open_store: OpenStore,
        backend: MaintenanceBackend,
    ) -> None:
        """
        Maintainers that prune beside those who retract take no latest retraction.
        """
        stores = [store, await open_store()]
        await store.save_session(make_session())
        await store.append_events(make_events(40))
        policy = make_policy(max_events_per_session=3)

        async def prune() -> None:
            maintenance = await backend.open_maintenance()
            for _ in range(3):
                await maintenance.prune_session_events("ses_1", policy)

        async def retract(number: int) -> None:
            for first in range(number, 40, 6):
                each = stores[number % 2]
                await each.retract_events("ses_1", first=first, last=first)

        await run_together([prune(), prune(), *(retract(n) for n in range(1, 4))])
        (told,) = await store.retract_events("ses_1", first=40, last=40)
        hidden = {
            number
            for first, last in told.data["hidden"]
            for number in range(first, last + 1)
        }
        assert hidden == {n for n in range(1, 40) if n % 6 in {1, 2, 3}} | {40}
