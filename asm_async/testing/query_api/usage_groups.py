"""
What runs consumed and cost, by what they and their sessions tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, get_args

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import ValidationError
from asm_async.ports.query_api import MAX_USAGE_GROUPS, QueryAPI, UsageDimension
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.factories import NOON, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.usage import save_all, used
from asm_async.values.summaries import CostGroup, UsageGroup
from asm_async.values.token_price import TokenPrice

__all__ = ["TestUsageGroups"]

_NEXT_DAY = NOON + timedelta(days=1)
_DAY = NOON.replace(hour=0)

_SESSIONS = (
    make_session(
        id="ses_1", agent_id="a", tenant_id="t2", user_id="u", tags=["x", "y"]
    ),
    make_session(id="ses_2", agent_id="b", tenant_id="t1", tags=["y"]),
    make_session(id="ses_3", agent_id="a", tenant_id=None, tags=[]),
)
# Each consumes a power of two, so that a sum says whose it is.
_MODEL: Mapping[str, Any] = {"provider_metadata": {"model": "m"}}
_RUNS = (
    used(
        "run_1", 1, session_id="ses_1", provider="p", provider_metadata={"model": "m"}
    ),
    used("run_2", 2, session_id="ses_1", provider="q", cost_usd=2.0),
    used("run_3", 4, session_id="ses_2", provider="p", started_at=_NEXT_DAY),
    used("run_4", 8, session_id="ses_3", provider=None, cost_usd=8.0),
    used("run_5", 16, session_id="ses_3", **_MODEL),
)


def tokens(groups: Iterable[UsageGroup]) -> dict[Any, int]:
    """
    Return the tokens of groups by what they have in common, in their order.
    """

    def named(key: Mapping[str, str | None]) -> Any:
        names = [*key.values()]
        return tuple(names) if len(names) > 1 else names[0]

    return {named(group.key): group.input_tokens for group in groups}


class TestUsageGroups(QueryAPIContract):
    """
    Each run counts in the group of what it has, and once in the totals.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def history(self, store: SessionStore) -> None:
        """
        Store runs of sessions of several agents, tenants and tags.
        """
        for session in _SESSIONS:
            await store.save_session(session)
        await save_all(store, _RUNS)

    async def test_one_thing_tells_groups_apart(self, query_api: QueryAPI) -> None:
        """
        By the order of what they name; those that name nothing stand last, under None.
        """
        expected: dict[UsageDimension, dict[str | None, int]] = {
            "provider": {"p": 5, "q": 2, None: 24},
            "model": {"m": 17, None: 14},
            "agent": {"a": 27, "b": 4},
            "tenant": {"t1": 4, "t2": 3, None: 24},
            "user": {"u": 3, None: 28},
            "session": {"ses_1": 3, "ses_2": 4, "ses_3": 24},
        }
        for name, groups in expected.items():
            usage = await query_api.get_usage_summary(group_by=name)
            assert tokens(usage.groups) == groups
            assert list(tokens(usage.groups)) == list(groups)
            assert usage == await query_api.get_usage_summary(group_by=[name])
            # Groups take nothing from what is there without them.
            without = attrs.evolve(usage, groups=())
            assert without == await query_api.get_usage_summary()

    async def test_several_things_tell_groups_apart_together(
        self, query_api: QueryAPI
    ) -> None:
        """
        In the order in which they are asked for, each once.
        """
        usage = await query_api.get_usage_summary(
            group_by=("agent", "model", "agent", "tenant")
        )
        assert [dict(group.key) for group in usage.groups] == [
            {"agent": "a", "model": "m", "tenant": "t2"},
            {"agent": "a", "model": "m", "tenant": None},
            {"agent": "a", "model": None, "tenant": "t2"},
            {"agent": "a", "model": None, "tenant": None},
            {"agent": "b", "model": None, "tenant": "t1"},
        ]
        assert list(tokens(usage.groups).values()) == [1, 16, 2, 8, 4]
        back = await query_api.get_usage_summary(group_by=("tenant", "agent"))
        assert tokens(back.groups) == {
            ("t1", "b"): 4,
            ("t2", "a"): 3,
            (None, "a"): 24,
        }

    async def test_groups_hold_all_that_is_added_up(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Runs are counted, and each part of the tokens has its sum.
        """
        parts: dict[str, Any] = {
            "cache_read_tokens": 5,
            "cache_write_tokens": 6,
            "reasoning_tokens": 7,
        }
        usage = {"input_tokens": 20, "output_tokens": 30, **parts}
        run = attrs.evolve(used("run_6", 0, session_id="ses_2"), token_usage=usage)
        await store.save_run(run)
        found = await query_api.get_usage_summary(group_by="tenant")
        assert found.groups[0] == UsageGroup(
            key={"tenant": "t1"},
            run_count=2,
            input_tokens=24,
            output_tokens=30,
            total_tokens=54,
            **parts,
        )

    async def test_a_run_counts_for_each_tag_of_its_session(
        self, query_api: QueryAPI
    ) -> None:
        """
        So the sums by tag are more than the totals, which count each run once.
        """
        usage = await query_api.get_usage_summary(group_by="tag")
        assert tokens(usage.groups) == {"x": 3, "y": 7, None: 24}
        assert list(tokens(usage.groups)) == ["x", "y", None]
        without = attrs.evolve(usage, groups=())
        assert without == await query_api.get_usage_summary()
        both = await query_api.get_usage_summary(group_by=["provider", "tag"])
        assert tokens(both.groups) == {
            ("p", "x"): 1,
            ("p", "y"): 5,
            ("q", "x"): 2,
            ("q", "y"): 2,
            (None, None): 24,
        }
        costs = await query_api.get_cost_summary(group_by="tag", bucket="day")
        assert (costs.run_count, costs.unmapped_runs) == (5, 3)
        assert costs.total_cost_usd == 10
        assert [(group.cost_usd, group.unmapped_runs) for group in costs.groups] == [
            (2, 1),
            (2, 1),
            (0, 1),
            (8, 1),
        ]

    async def test_groups_are_told_apart_by_time_too(self, query_api: QueryAPI) -> None:
        """
        With a bucket there is a group for each in which a run was started.
        """
        usage = await query_api.get_usage_summary(group_by="provider", bucket="day")
        assert [
            (group.key["provider"], group.bucket, group.input_tokens)
            for group in usage.groups
        ] == [
            ("p", _DAY, 1),
            ("p", _DAY + timedelta(days=1), 4),
            ("q", _DAY, 2),
            (None, _DAY, 24),
        ]
        by_month = await query_api.get_usage_summary(
            group_by="provider", bucket="month"
        )
        assert {group.bucket for group in by_month.groups} == {_DAY.replace(day=1)}
        assert tokens(by_month.groups) == {"p": 5, "q": 2, None: 24}

    async def test_costs_are_grouped_with_what_is_unmapped(
        self, query_api: QueryAPI
    ) -> None:
        """
        A group of unknown cost alone is there, so that it is not taken for free.
        """
        prices = {
            "p": {
                "m": TokenPrice(
                    input_usd_per_million=1_000_000, output_usd_per_million=1
                )
            }
        }
        costs = await query_api.get_cost_summary(
            group_by=["tenant"], pricing_table=prices
        )
        assert costs.groups == (
            CostGroup(
                key={"tenant": "t1"},
                run_count=0,
                unmapped_runs=1,
                cost_usd=0,
                input_tokens=0,
                output_tokens=0,
            ),
            CostGroup(
                key={"tenant": "t2"},
                run_count=2,
                unmapped_runs=0,
                cost_usd=3,
                input_tokens=3,
                output_tokens=0,
            ),
            CostGroup(
                key={"tenant": None},
                run_count=1,
                unmapped_runs=1,
                cost_usd=8,
                input_tokens=8,
                output_tokens=0,
            ),
        )
        assert (costs.run_count, costs.unmapped_runs) == (5, 2)
        assert sum(group.unmapped_runs for group in costs.groups) == 2

    async def test_filters_narrow_the_groups(self, query_api: QueryAPI) -> None:
        """
        Nothing is grouped that is not added up.
        """
        narrowed: list[tuple[dict[str, Any], dict[str | None, int]]] = [
            ({"agent_id": "a"}, {"t2": 3, None: 24}),
            ({"tenant_id": "t2"}, {"t2": 3}),
            ({"user_id": "u"}, {"t2": 3}),
            ({"session_id": "ses_2"}, {"t1": 4}),
            ({"provider": "p"}, {"t1": 4, "t2": 1}),
            ({"since": _NEXT_DAY}, {"t1": 4}),
            ({"until": NOON}, {}),
        ]
        for filters, groups in narrowed:
            usage = await query_api.get_usage_summary(group_by="tenant", **filters)
            assert tokens(usage.groups) == groups
            costs = await query_api.get_cost_summary(group_by="tenant", **filters)
            assert [group.key["tenant"] for group in costs.groups] == list(groups)

    async def test_groups_are_those_of_the_present(
        self, store: SessionStore, backend: SessionStoreBackend, query_api: QueryAPI
    ) -> None:
        """
        A session counts for the tenant and tags it has now, soft-deleted or not.
        """
        moved = attrs.evolve(_SESSIONS[0], tenant_id="t3", tags=("z",))
        await store.save_session(moved)
        await backend.soft_delete("ses_1")
        usage = await query_api.get_usage_summary(group_by=["tenant", "tag"])
        assert tokens(usage.groups) == {
            ("t1", "y"): 4,
            ("t3", "z"): 3,
            (None, None): 24,
        }

    async def test_more_groups_than_an_answer_holds_are_refused(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The error says by what there are so many, and what to do.
        """
        edge = int(MAX_USAGE_GROUPS**0.5) + 1
        await store.save_session(
            make_session(id="ses_4", tags=[f"tag_{number}" for number in range(edge)])
        )
        await save_all(
            store,
            (
                used(
                    f"run_4_{number}",
                    1,
                    session_id="ses_4",
                    provider_metadata={"model": f"m_{number}"},
                )
                for number in range(edge)
            ),
        )
        narrow: dict[str, Any] = {"session_id": "ses_4", "bucket": "day"}
        usage = await query_api.get_usage_summary(group_by="model", **narrow)
        assert len(usage.groups) == edge
        told = "50,000 groups by provider, model, tag, day: choose a shorter time"
        with pytest.raises(ValidationError, match=f"^group_by: more than {told}"):
            await query_api.get_usage_summary(group_by="tag", **narrow)

    async def test_what_is_no_dimension_is_refused(self, query_api: QueryAPI) -> None:
        """
        The message names it, and what there is.
        """
        known = ", ".join(get_args(UsageDimension))
        wrong: list[tuple[Any, str]] = [
            ("week", f"group_by: 'week' is not one of {known}"),
            ("", f"group_by: '' is not one of {known}"),
            (
                ["agent", "agent_id"],
                rf"group_by\[1\]: 'agent_id' is not one of {known}",
            ),
            ([None], rf"group_by\[0\]: a NoneType is not one of {known}"),
            (7, "group_by: expected a list, got an int"),
            (None, "group_by: expected a list, got a NoneType"),
        ]
        for call in (query_api.get_usage_summary, query_api.get_cost_summary):
            for value, message in wrong:
                with pytest.raises(ValidationError, match=f"^{message}"):
                    await call(group_by=value)
