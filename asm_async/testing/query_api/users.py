"""
What is found of each user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of
from asm_async.testing.query_api.transfer import exported, records_in
from asm_async.values.export_records import ExportedSession

__all__ = ["TestUsers"]

# Two tenants have a user of one name.
_OWNERS: Mapping[int, tuple[str | None, str | None]] = {
    1: ("tenant_1", "ann"),
    2: ("tenant_1", "bob"),
    3: ("tenant_2", "ann"),
    4: ("tenant_1", None),
    5: (None, "bob"),
}


class TestUsers(QueryAPIContract):
    """
    With a user, what belongs to that user's sessions alone is found and added.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def sessions(self, store: SessionStore) -> None:
        """
        Store a session of each owner, with a run and two events.
        """
        for number, (tenant_id, user_id) in _OWNERS.items():
            session = make_session(
                id=f"ses_{number}", tenant_id=tenant_id, user_id=user_id
            )
            run = make_run(
                id=f"run_{number}",
                session_id=session.id,
                token_usage={"total_tokens": 10**number},
                cost_usd=float(number),
            )
            events = [
                make_event(id=f"evt_{number}{index}", session_id=session.id)
                for index in range(2)
            ]
            await store.save_session(session)
            await store.save_run(run)
            await store.append_events(events)

    async def test_a_users_sessions_runs_and_events_are_found(
        self, query_api: QueryAPI
    ) -> None:
        """
        In every search, page by page, and when events are counted.
        """
        sessions = await query_api.search_sessions(
            user_id="ann", order_by="created_at_asc"
        )
        runs = await query_api.search_runs(user_id="ann", order_by="started_at_asc")
        first = await query_api.search_events(user_id="ann", limit=3)
        rest = await query_api.search_events(
            user_id="ann", limit=3, cursor=first.cursor
        )
        by_time = await query_api.search_events(user_id="ann", order_by="timestamp_asc")

        assert ids_of(sessions) == ["ses_1", "ses_3"]
        assert ids_of(runs) == ["run_1", "run_3"]
        assert ids_of(first) == ["evt_10", "evt_11", "evt_30"]
        assert (ids_of(rest), rest.cursor) == (["evt_31"], None)
        assert ids_of(by_time) == ["evt_10", "evt_11", "evt_30", "evt_31"]
        assert await query_api.count_events(user_id="ann") == 4

    async def test_what_a_user_consumed_is_added_up(self, query_api: QueryAPI) -> None:
        """
        Usage and cost hold the runs of the user's sessions alone.
        """
        usage = await query_api.get_usage_summary(user_id="bob")
        cost = await query_api.get_cost_summary(user_id="bob")

        assert (usage.run_count, usage.total_tokens) == (2, 100_100)
        assert (cost.run_count, cost.total_cost_usd) == (2, 7.0)

    async def test_user_and_tenant_are_asked_for_independently(
        self, query_api: QueryAPI
    ) -> None:
        """
        Given together both must match: a user of one tenant is no user of another.
        """
        both: dict[str, Any] = {"user_id": "ann", "tenant_id": "tenant_1"}
        usage = await query_api.get_usage_summary(**both)

        assert ids_of(await query_api.search_sessions(**both)) == ["ses_1"]
        assert ids_of(await query_api.search_runs(**both)) == ["run_1"]
        assert ids_of(await query_api.search_events(**both)) == ["evt_10", "evt_11"]
        by_time = await query_api.search_events(**both, order_by="timestamp_desc")
        assert ids_of(by_time) == ["evt_11", "evt_10"]
        assert await query_api.count_events(**both) == 2
        assert usage.total_tokens == 10
        nothing = await query_api.search_runs(user_id="bob", tenant_id="tenant_2")
        assert nothing.items == ()

    async def test_a_session_may_become_another_users(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A save changes the user as it does the tenant, also of what was written before.
        """
        session = await store.get_session("ses_1")
        moved = await store.save_session(attrs.evolve(session, user_id="bob"))
        nobodys = await store.get_session("ses_2")
        await store.save_session(attrs.evolve(nobodys, user_id=None))

        assert moved.user_id == "bob"
        assert (await store.get_session("ses_2")).user_id is None
        found = await query_api.search_runs(user_id="bob", order_by="started_at_asc")
        assert ids_of(found) == ["run_1", "run_5"]
        assert await query_api.count_events(user_id="ann") == 2

    async def test_a_users_sessions_are_exported(self, query_api: QueryAPI) -> None:
        """
        An export takes the filter too, and each session says whose it is.
        """
        records = records_in(await exported(query_api, user_id="ann"))

        heads = [record for record in records if isinstance(record, ExportedSession)]
        assert [head.session.id for head in heads] == ["ses_1", "ses_3"]
        assert [head.session.user_id for head in heads] == ["ann", "ann"]

    @pytest.mark.parametrize("user_id", ["", "a" * 256, "a\0", 7])
    async def test_what_is_no_user_is_refused(
        self, query_api: QueryAPI, user_id: str
    ) -> None:
        """
        A user's id is text of 1 to 255 characters, as a tenant's is.
        """
        calls = (
            query_api.search_sessions,
            query_api.search_runs,
            query_api.search_events,
            query_api.count_events,
            query_api.get_usage_summary,
            query_api.get_cost_summary,
        )
        for call in calls:
            with pytest.raises(ValidationError, match=r"^user_id: "):
                await call(user_id=user_id)
