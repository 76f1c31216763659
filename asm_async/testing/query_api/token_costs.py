"""
Costs of tokens that are parts of others, and of tokens that nobody told.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.costs import close_to, price, run_of

__all__ = ["TestTokenCosts"]


@pytest.mark.usefixtures("session")
class TestTokenCosts(QueryAPIContract):
    """
    What is cached has a price of its own, and what is unknown has none.
    """

    async def test_a_run_whose_tokens_nobody_told_is_unmapped(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        It is not taken for free, also if only a total was told; a stored cost counts.
        """
        await store.save_run(run_of("run_1", "a", "m"))
        await store.save_run(run_of("run_2", "a", "m", token_usage={}))
        await store.save_run(run_of("run_3", "a", "m", token_usage={"total_tokens": 9}))
        await store.save_run(run_of("run_4", "a", "m", token_usage={}, cost_usd=2))
        costs = await query_api.get_cost_summary(pricing_table={"a": {"": price(3)}})
        assert (costs.run_count, costs.unmapped_runs) == (4, 2)
        assert costs.total_cost_usd == close_to(3 + 2)
        assert costs.by_model["m"].run_count == 2

    async def test_cached_tokens_have_prices_of_their_own(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Reads from a cache and writes to it are parts of what was read.
        """
        parts = {"cache_read_tokens": 95_000, "cache_write_tokens": 2_000}
        for number in (1, 2):
            usage = {"input_tokens": 100_000, "output_tokens": 1_000, **parts}
            run = run_of(f"run_{number}", "a", "m", token_usage=usage)
            await store.save_run(run)
        cached = attrs.evolve(price(3, 15), cache_read_usd_per_million=0.3)
        both = attrs.evolve(cached, cache_write_usd_per_million=3.75)
        for one, cost in (
            (price(3, 15), 0.3 + 0.015),
            (cached, 0.015 + 0.0285 + 0.015),
            (both, 0.009 + 0.0285 + 0.0075 + 0.015),
        ):
            costs = await query_api.get_cost_summary(pricing_table={"a": {"m": one}})
            assert costs.total_cost_usd == close_to(2 * cost)
