"""
Every adapter adds up whatever Hypothesis can think of as the one in memory does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.ports.query_api import QueryAPI, UsageDimension
from asm_async.ports.session_store import SessionStore
from asm_async.testing import strategies as asm
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import Elsewhere
from asm_async.values.run import Run
from asm_async.values.summaries import CostSummary, CostTotals
from asm_async.values.token_price import TokenPrice
from tests.effort import examples

SESSIONS = {"ses_1": "assistant", "ses_2": "assistant", "ses_3": "other"}
TENANTS = {"ses_1": "t1", "ses_3": "t1"}
USERS = {"ses_2": "u1", "ses_3": "u2"}
TAGS = {"ses_1": ["x", "y"], "ses_2": ["x"]}
# Amounts below are rounded to zero here and not there, depending on the order.
SMALLEST = 1e-290

many_examples = settings(
    max_examples=examples(25),
    # All examples of a test share a store; each leaves it empty.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
nothing = st.none()
names = st.sampled_from(["openai", "unknown", "gpt-4o", "gpt-4o-mini"])
texts = names | asm.text_fields()
no_json = st.just(dict[str, Any]())


def runs() -> st.SearchStrategy[list[Run]]:
    """
    Make runs of few sessions, providers and models, and of some strange ones.
    """
    models = st.fixed_dictionaries({}, optional={"model": texts | asm.json_scalars()})
    one = asm.runs(
        session_id=st.sampled_from(sorted(SESSIONS)),
        provider=nothing | texts,
        provider_metadata=models,
        input=nothing,
        output=nothing,
        error=nothing,
        metadata=no_json,
    )
    return st.lists(one, max_size=8, unique_by=lambda run: run.id)


def filters() -> st.SearchStrategy[dict[str, Any]]:
    """
    Make any filters, with and without a bucket.
    """
    return st.fixed_dictionaries(
        {},
        optional={
            "session_id": st.sampled_from(["ses_1", "ses_2", "ses_unknown"]),
            "agent_id": st.sampled_from(["assistant", "other", "nobody"]),
            "provider": names,
            "since": asm.times(),
            "until": asm.times(),
            "bucket": st.sampled_from(["hour", "day", "month"]),
            "group_by": st.lists(st.sampled_from(get_args(UsageDimension)), max_size=3),
        },
    )


def pricing_tables() -> st.SearchStrategy[dict[str, dict[str, TokenPrice]]]:
    """
    Make prices, some of which fit.
    """
    prices = st.builds(
        TokenPrice,
        input_usd_per_million=asm.amounts(),
        output_usd_per_million=asm.amounts(),
    )
    beginnings = st.just("") | st.just("gpt") | texts
    by_model = st.dictionaries(beginnings, prices, max_size=3)
    return st.dictionaries(texts, by_model, max_size=3)


def rounded(costs: CostSummary) -> CostSummary:
    """
    Let the last digits of all sums be what they will.
    """

    def totals(groups: Mapping[Any, CostTotals]) -> Mapping[Any, CostTotals]:
        return {key: attrs.evolve(group, cost_usd=0.0) for key, group in groups.items()}

    return attrs.evolve(
        costs,
        total_cost_usd=0.0,
        by_provider=totals(costs.by_provider),
        by_model=totals(costs.by_model),
        by_bucket=totals(costs.by_bucket),
        groups=tuple(attrs.evolve(group, cost_usd=0.0) for group in costs.groups),
    )


def amounts(costs: CostSummary) -> list[float]:
    """
    Return all sums, in order.
    """
    groups: list[Mapping[Any, CostTotals]] = [
        costs.by_provider,
        costs.by_model,
        costs.by_bucket,
    ]
    found = [totals.cost_usd for group in groups for totals in group.values()]
    found += [group.cost_usd for group in costs.groups]
    return [costs.total_cost_usd, *found]


class TestUsage(QueryAPIContract):
    """
    Groups, counts and sums are the same; costs are, but for their last digits.
    """

    @many_examples
    @given(runs=runs(), narrow=filters(), prices=pricing_tables())
    async def test_summaries_are_equal(
        self,
        store: SessionStore,
        query_api: QueryAPI,
        runs: list[Run],
        narrow: dict[str, Any],
        prices: dict[str, dict[str, TokenPrice]],
    ) -> None:
        """
        For any runs, any filters and any prices.
        """
        memory = Elsewhere()
        oracle = memory.query_api
        await fill(memory.store, runs)
        try:
            await fill(store, runs)
            usage = await query_api.get_usage_summary(**narrow)
            costs = await query_api.get_cost_summary(**narrow, pricing_table=prices)
        finally:
            await empty(store)
        same = await oracle.get_cost_summary(**narrow, pricing_table=prices)

        assert usage == await oracle.get_usage_summary(**narrow)
        assert rounded(costs) == rounded(same)
        assert amounts(costs) == [
            pytest.approx(amount, rel=1e-12, abs=SMALLEST) for amount in amounts(same)
        ]

    @many_examples
    @given(runs=runs(), times=st.lists(asm.times(), max_size=4))
    async def test_stats_are_equal(
        self,
        store: SessionStore,
        query_api: QueryAPI,
        runs: list[Run],
        times: list[Any],
    ) -> None:
        """
        For any runs, and events of any times.
        """
        memory = Elsewhere()
        events = [
            make_event(id=f"evt_{number}", timestamp=time)
            for number, time in enumerate(times)
        ]
        await fill(memory.store, runs)
        await memory.store.append_events(events)
        expected = [await memory.query_api.get_session_stats(id_) for id_ in SESSIONS]
        try:
            await fill(store, runs)
            await store.append_events(events)
            stats = [await query_api.get_session_stats(name) for name in SESSIONS]
        finally:
            await empty(store)

        assert stats == expected


async def fill(store: SessionStore, runs: list[Run]) -> None:
    """
    Store the sessions and their runs.
    """
    for session_id, agent_id in SESSIONS.items():
        session = make_session(
            id=session_id,
            agent_id=agent_id,
            tenant_id=TENANTS.get(session_id),
            user_id=USERS.get(session_id),
            tags=TAGS.get(session_id, []),
        )
        await store.save_session(session)
    for run in runs:
        await store.save_run(run)


async def empty(store: SessionStore) -> None:
    """
    Leave nothing behind for the next example.
    """
    for session_id in SESSIONS:
        await store.delete_session(session_id)
