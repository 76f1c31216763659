"""
What each tenant finds.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import pytest_asyncio

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of

__all__ = ["TestTenants"]

_OWNERS: Mapping[str, str | None] = {"1": "tenant_1", "2": "tenant_2", "3": None}


class TestTenants(QueryAPIContract):
    """
    With a tenant, runs and events of that tenant's sessions alone are found and added.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def sessions(self, store: SessionStore) -> None:
        """
        Store a session of each of two tenants, and one of none, with a run and events.
        """
        for number, tenant_id in _OWNERS.items():
            session_id, run_id = f"ses_{number}", f"run_{number}"
            await store.save_session(make_session(id=session_id, tenant_id=tenant_id))
            run = make_run(
                id=run_id,
                session_id=session_id,
                provider="example",
                token_usage={"total_tokens": 10 ** int(number)},
                cost_usd=float(number),
            )
            await store.save_run(run)
            events = [
                make_event(
                    id=f"evt_{number}{index}",
                    session_id=session_id,
                    run_id=run_id,
                    correlation_id="trace_1",
                )
                for index in range(3)
            ]
            await store.append_events(events)

    async def test_what_takes_one_session_finds_a_tenants_own(
        self, query_api: QueryAPI
    ) -> None:
        """
        Another's is not found, as an unknown one is not, and nothing of it is counted.
        """
        for call in (query_api.get_session_stats, query_api.export_session):
            for id_ in ("ses_2", "ses_3", "ses_7"):
                with pytest.raises(SessionNotFoundError) as caught:
                    await call(id_, expected_tenant="tenant_1")
                assert caught.value.args == (id_,)
            own = await call("ses_1", expected_tenant="tenant_1")
            assert own == await call("ses_1")
            with pytest.raises(ValidationError, match="expected_tenant"):
                await call("ses_1", expected_tenant="")

    async def test_runs_of_a_tenant_are_found(self, query_api: QueryAPI) -> None:
        """
        A tenant's search for runs finds its own, whatever else it asks for.
        """
        own = await query_api.search_runs(tenant_id="tenant_1")
        both = await query_api.search_runs(tenant_id="tenant_1", provider="example")
        other = await query_api.search_runs(tenant_id="tenant_1", session_id="ses_2")
        nobody = await query_api.search_runs(tenant_id="tenant_3")

        assert ids_of(own) == ids_of(both) == ["run_1"]
        assert ids_of(other) == ids_of(nobody) == []

    async def test_events_of_a_tenant_are_found_and_counted(
        self, query_api: QueryAPI
    ) -> None:
        """
        A tenant's search for events finds and counts its own, on all pages.
        """
        tenant_id, trace = "tenant_2", "trace_1"
        first = await query_api.search_events(
            tenant_id=tenant_id, correlation_id=trace, limit=2
        )
        second = await query_api.search_events(
            tenant_id=tenant_id, correlation_id=trace, limit=2, cursor=first.cursor
        )
        count = await query_api.count_events(tenant_id=tenant_id, correlation_id=trace)

        assert ids_of(first) + ids_of(second) == ["evt_20", "evt_21", "evt_22"]
        assert second.cursor is None
        assert count == 3
        others = (
            await query_api.search_events(tenant_id=tenant_id, session_ids=["ses_1"]),
            await query_api.search_events(tenant_id=tenant_id, run_ids=["run_3"]),
        )
        assert all(page.items == () for page in others)

    async def test_usage_and_cost_of_a_tenant_are_added_up(
        self, query_api: QueryAPI
    ) -> None:
        """
        A tenant's sums hold its own runs alone.
        """
        usage = await query_api.get_usage_summary(tenant_id="tenant_2")
        cost = await query_api.get_cost_summary(tenant_id="tenant_2")
        nothing = await query_api.get_usage_summary(
            tenant_id="tenant_2", session_id="ses_1"
        )

        assert (usage.run_count, usage.total_tokens) == (1, 100)
        assert (cost.run_count, cost.total_cost_usd) == (1, 2.0)
        assert nothing.run_count == 0

    async def test_a_session_that_moved_is_its_new_tenants(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        What a session's runs and events belong to is decided when they are asked for.
        """
        moved = make_session(id="ses_1", tenant_id="tenant_2")
        await store.save_session(moved)

        assert (await query_api.search_runs(tenant_id="tenant_1")).items == ()
        assert await query_api.count_events(tenant_id="tenant_2") == 6

    @pytest.mark.parametrize("tenant_id", ["", "a\0", 7])
    async def test_what_is_no_tenant_is_refused(
        self, query_api: QueryAPI, tenant_id: str
    ) -> None:
        """
        A tenant's id is text, as everywhere.
        """
        calls = (
            query_api.search_runs,
            query_api.search_events,
            query_api.count_events,
            query_api.get_usage_summary,
            query_api.get_cost_summary,
        )
        for call in calls:
            with pytest.raises(ValidationError, match=r"^tenant_id: "):
                await call(tenant_id=tenant_id)
