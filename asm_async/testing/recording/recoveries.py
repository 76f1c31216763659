"""
How runs are ended whose recorder is dead.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, cast

import attrs
import pytest

from asm_async.errors import LeaseLostError, ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports
from asm_async.recording import RunRecorder, record_run, recover_interrupted_runs
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_run, make_session
from asm_async.testing.recording.contract import (
    RecordingContract,
    lease_of,
    make_old,
    standing_still,
    until,
)
from asm_async.values.event import EventType
from asm_async.values.run import RunStatus
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

__all__ = ["TestRecoveries"]


class TestRecoveries(RecordingContract):
    """
    A run whose recorder is dead is ended once; one that is recorded never.
    """

    async def test_an_interrupted_run_is_ended_with_its_event(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        The run fails as interrupted, behind what was written of it, without its lease.
        """
        async with standing_still(store, session, provider="openai") as run:
            await run.message_sent("Hello")
            run.add_usage({"input_tokens": 3, "output_tokens": 1})
            await run.tool_call_started("call_1", "weather")
            report = await recover_interrupted_runs(ports)
            lease = await lease_of(ports.state, run)
        (ended,) = report.ended
        events = await store.get_events(session.id)

        assert (report.alive, report.without_lease, report.refused) == (0, 0, 0)
        assert lease is None
        assert ended == await store.get_run(run.id)
        assert ended.status is RunStatus.FAILED
        assert ended.error is not None
        assert ended.error["code"] == "interrupted"
        assert ended.total_tokens == 4
        assert [event.type for event in events[2:]] == [
            EventType.TOOL_CALL_STARTED,
            EventType.RUN_FAILED,
        ]
        assert events[-1].data["error_code"] == "interrupted"
        assert (events[-1].run_id, events[-1].timestamp) == (run.id, ended.ended_at)

    async def test_a_recorder_that_stood_still_finds_its_lease_lost(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A process that goes on after its run was ended is told so, and writes nothing.
        """
        async with standing_still(store, session) as run:
            await recover_interrupted_runs(ports)
            before = await store.get_events(session.id)
            with pytest.raises(LeaseLostError):
                await run.message_sent("Hello")
        assert await store.get_events(session.id) == before

    async def test_a_run_whose_lease_is_renewed_is_left_alone(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A lease that was renewed while it was watched, however late, keeps its run.
        """
        async with standing_still(store, session) as run:
            # The first look finds the lease, the second one whether it was renewed.
            state = RenewingState(ports.state, run, before_look=2)
            watching = attrs.evolve(ports, state=cast("StateStore", state))
            report = await recover_interrupted_runs(watching)

            assert (report.ended, report.alive) == ([], 1)
            await run.message_sent("Hello")

    async def test_a_lease_that_is_renewed_at_the_last_moment_keeps_its_run(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        Between the last look at a lease and the commit that ends its run it counts too.
        """
        async with standing_still(store, session) as run:
            state = RenewingState(ports.state, run, after_look=2)
            watching = attrs.evolve(ports, state=cast("StateStore", state))
            report = await recover_interrupted_runs(watching)

            assert (report.ended, report.alive) == ([], 1)
            await run.message_sent("Hello")

    async def test_a_clock_that_is_wrong_ends_no_run(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A lease that is old by its recorder's clock is watched, up to the allowance.
        """
        async with standing_still(store, session) as run:
            for skew in (timedelta(minutes=4), timedelta(minutes=-4)):
                await make_old(ports.state, run, skew)
                state = RenewingState(ports.state, run, before_look=2)
                watching = attrs.evolve(ports, state=cast("StateStore", state))
                report = await recover_interrupted_runs(watching)

                assert (report.ended, report.alive) == ([], 1)

    async def test_a_lease_that_ran_out_long_ago_is_not_watched(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        Past the allowance a run is ended at once, however long its lease lasts.
        """
        async with standing_still(store, session, lease=600.0) as run:
            await make_old(ports.state, run)
            report = await recover_interrupted_runs(ports, max_clock_skew=60.0)

        assert [ended.id for ended in report.ended] == [run.id]

    async def test_processes_that_recover_at_once_end_each_run_once(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        Of four recoveries exactly one ends each run, and there is one event of it.
        """
        async with AsyncExitStack() as stack:
            runs = [
                await stack.enter_async_context(standing_still(store, session))
                for _ in range(5)
            ]
            await make_old(ports.state, runs[0])
            reports = await run_together(
                recover_interrupted_runs(ports) for _ in range(4)
            )
        ended = [run.id for report in reports for run in report.ended]
        events = await store.get_events(session.id, type=EventType.RUN_FAILED)

        assert sorted(ended) == sorted(run.id for run in runs)
        assert sorted(str(event.run_id) for event in events) == sorted(ended)

    async def test_runs_that_nobody_records_are_left_alone(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A run without a lease is counted, and ended only on request, by its age.
        """
        by_hand = make_run(session_id=session.id, status=RunStatus.RUNNING)
        await store.save_run(by_hand)
        await store.save_run(make_run(id="run_2"))
        left = await recover_interrupted_runs(ports)
        young = await recover_interrupted_runs(
            ports, unleased_after=timedelta(days=36_500)
        )
        old = await recover_interrupted_runs(ports, unleased_after=timedelta(days=1))

        assert (left.ended, left.without_lease) == ([], 1)
        assert (young.ended, young.without_lease) == ([], 1)
        assert [run.id for run in old.ended] == ["run_1"]
        assert (await store.get_run("run_2")).status is RunStatus.PENDING

    async def test_a_lease_that_says_nothing_is_none(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A run whose lease was spoilt is as one that nobody records.
        """
        async with standing_still(store, session, lease=60.0) as run:
            lease = await lease_of(ports.state, run)
            assert lease is not None
            for data in (None, {}, {"renewed_at": "then", "lease_seconds": 1}):
                await ports.state.save_items([attrs.evolve(lease, data=data)])
                report = await recover_interrupted_runs(ports)
                assert (report.ended, report.without_lease) == ([], 1)

    async def test_only_runs_of_a_tenant_or_session_are_looked_at(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A recovery of one tenant, or one session, leaves the runs of others alone.
        """
        other = await store.save_session(make_session(id="ses_2", tenant_id="acme"))
        async with (
            standing_still(store, session) as own,
            standing_still(store, other) as others,
        ):
            of_tenant = await recover_interrupted_runs(ports, tenant_id="acme")
            of_session = await recover_interrupted_runs(ports, session_id=session.id)
            rest = await recover_interrupted_runs(ports)

        assert [run.id for run in of_tenant.ended] == [others.id]
        assert [run.id for run in of_session.ended] == [own.id]
        assert rest.ended == []

    async def test_a_run_of_a_deleted_session_stays_as_it_is(
        self,
        store: SessionStore,
        session: Session,
        ports: Ports,
        backend: SessionStoreBackend,
    ) -> None:
        """
        What is soft-deleted is not written to; once restored, its runs are ended.
        """
        async with standing_still(store, session) as run:
            await backend.soft_delete(session.id)
            refused = await recover_interrupted_runs(ports)
            await backend.restore(session.id)
            report = await recover_interrupted_runs(ports)

        assert (refused.ended, refused.refused) == ([], 1)
        assert [ended.id for ended in report.ended] == [run.id]

    async def test_a_recorder_that_lives_renews_its_lease(
        self, store: SessionStore, session: Session, ports: Ports
    ) -> None:
        """
        A lease is renewed in the background, and saved again if it was removed by hand.
        """
        async with record_run(store, session, lease=0.3) as run:
            first = await lease_of(ports.state, run)
            assert first is not None

            async def is_renewed() -> bool:
                lease = await lease_of(ports.state, run)
                return lease is not None and lease.revision > first.revision

            await until(is_renewed)
            scope, key = first.scope, first.key
            await ports.state.delete_items(scope, keys=[key])
            await until(is_renewed)
            lease = await lease_of(ports.state, run)
        assert lease is not None
        assert lease.session_id == session.id
        assert await lease_of(ports.state, run) is None

    async def test_wrong_arguments_are_refused(self, ports: Ports) -> None:
        """
        The error names the argument.
        """
        wrong: dict[str, Any] = {
            "ports": None,
            "tenant_id": 3,
            "session_id": "",
            "max_clock_skew": -1,
            "unleased_after": 3,
        }
        for name, value in wrong.items():
            arguments: dict[str, Any] = {"ports": ports, name: value}
            with pytest.raises(ValidationError, match=name):
                await recover_interrupted_runs(**arguments)
        with pytest.raises(ValidationError, match="max_clock_skew"):
            await recover_interrupted_runs(ports, max_clock_skew=100_000.0)
        with pytest.raises(ValidationError, match="unleased_after"):
            await recover_interrupted_runs(ports, unleased_after=timedelta(-1))


class RenewingState:
    """
    A state store in which a lease is renewed just before, or just after, a look at it.
    """

    def __init__(
        self,
        state: StateStore,
        run: RunRecorder,
        *,
        before_look: int = 0,
        after_look: int = 0,
    ) -> None:
        self._state = state
        self._run = run
        self._before_look = before_look
        self._after_look = after_look
        self._looks = 0

    async def get_items(
        self, scope: str, keys: Collection[str]
    ) -> dict[str, StateItem]:
        """
        Read the items, and renew the lease.
        """
        self._looks += 1
        if self._looks == self._before_look:
            await make_old(self._state, self._run, timedelta())
        found = await self._state.get_items(scope, keys)
        if self._looks == self._after_look:
            await make_old(self._state, self._run, timedelta())
        return found
