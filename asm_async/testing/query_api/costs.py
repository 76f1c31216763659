"""
What runs cost, added up.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import NOON, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.values.fields import MAX_AMOUNT, MAX_COUNT
from asm_async.values.run import Run
from asm_async.values.summaries import CostSummary, CostTotals
from asm_async.values.token_price import PricingTable, TokenPrice

__all__ = ["TestCosts", "TestPrices", "close_to", "price", "run_of"]

_MILLION = 1_000_000
_PROMISED = 1e-12


def close_to(amount: float) -> float:
    """
    Return what equals *amount* as far as the digits of a sum are promised.
    """
    return cast("float", pytest.approx(amount, rel=_PROMISED, abs=0))  # pyright: ignore[reportUnknownMemberType] - pytest leaves it open


def price(input_price: float, output_price: float = 0) -> TokenPrice:
    """
    Make a price for a million tokens.
    """
    return TokenPrice(
        input_usd_per_million=input_price, output_usd_per_million=output_price
    )


def run_of(name: str, provider: str | None, model: str | None, **fields: Any) -> Run:
    """
    Make a run that read a million tokens and wrote two millions.
    """
    usage = {"input_tokens": _MILLION, "output_tokens": 2 * _MILLION}
    metadata = {} if model is None else {"model": model}
    defaults = {"provider_metadata": metadata, "token_usage": usage}
    return make_run(id=name, provider=provider, **(defaults | fields))


async def total(query_api: QueryAPI, table: PricingTable) -> float | None:
    """
    Return what the only run costs, or None if its cost is unknown.
    """
    costs = await query_api.get_cost_summary(pricing_table=table)
    assert costs.run_count == 1
    return None if costs.unmapped_runs else costs.total_cost_usd


@pytest.mark.usefixtures("session")
class TestCosts(QueryAPIContract):
    """
    What is stored is what a run costs.
    """

    async def test_where_no_run_matches_nothing_is_spent(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Without runs the cost is zero, not unknown.
        """
        nothing = CostSummary(
            run_count=0,
            unmapped_runs=0,
            total_cost_usd=0,
            by_provider={},
            by_model={},
        )
        assert await query_api.get_cost_summary() == nothing
        await store.save_run(make_run(cost_usd=1))
        filters: list[dict[str, Any]] = [
            {"session_id": "ses_2"},
            {"agent_id": "x"},
            {"provider": "x"},
            {"until": NOON, "bucket": "day"},
        ]
        for narrow in filters:
            assert await query_api.get_cost_summary(**narrow) == nothing

    async def test_stored_costs_are_added_up(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        By provider, by model and by bucket; whatever prices are given.
        """
        tomorrow = NOON + timedelta(days=1)
        for run in (
            run_of("run_1", "b", "m", cost_usd=0.25),
            run_of("run_2", "a", "m", cost_usd=0.5, started_at=tomorrow),
            run_of("run_3", "a", None, cost_usd=0),
            run_of("run_4", None, None, cost_usd=8, token_usage={}),
        ):
            await store.save_run(run)

        def totals(runs: int, cost: float, tokens: int) -> CostTotals:
            return CostTotals(
                run_count=runs,
                cost_usd=cost,
                input_tokens=tokens * _MILLION,
                output_tokens=tokens * 2 * _MILLION,
            )

        costs = await query_api.get_cost_summary(
            pricing_table={"a": {"": price(77)}}, bucket="day"
        )
        assert costs == CostSummary(
            run_count=4,
            unmapped_runs=0,
            total_cost_usd=8.75,
            by_provider={
                "a": totals(2, 0.5, 2),
                "b": totals(1, 0.25, 1),
                "unknown": totals(1, 8, 0),
            },
            by_model={"m": totals(2, 0.75, 2), "unknown": totals(2, 8, 1)},
            by_bucket={
                datetime(2026, 1, 2, tzinfo=UTC): totals(3, 8.25, 2),
                datetime(2026, 1, 3, tzinfo=UTC): totals(1, 0.5, 1),
            },
        )
        assert list(costs.by_provider) == ["a", "b", "unknown"]
        assert list(costs.by_bucket) == sorted(costs.by_bucket)

    async def test_each_filter_narrows(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Both the runs with a stored cost and those without are narrowed.
        """
        later = NOON + timedelta(hours=1)
        await store.save_session(make_session(id="ses_2", agent_id="other"))
        places: list[dict[str, Any]] = [
            {},
            {"session_id": "ses_2"},
            {"provider": "p"},
            {"started_at": later},
        ]
        for number, cost in enumerate([1.0, None]):
            for where, fields in enumerate(places):
                run = make_run(id=f"run_{number}_{where}", cost_usd=cost, **fields)
                await store.save_run(run)
        narrow: list[tuple[dict[str, Any], int]] = [
            ({}, 4),
            ({"session_id": "ses_2"}, 1),
            ({"agent_id": "assistant"}, 3),
            ({"provider": "p"}, 1),
            ({"since": later}, 1),
            ({"until": later}, 3),
            ({"since": NOON, "until": later, "agent_id": "assistant"}, 2),
        ]
        for filters, count in narrow:
            costs = await query_api.get_cost_summary(**filters)
            assert costs.run_count == 2 * count, filters
            assert costs.unmapped_runs == costs.total_cost_usd == count, filters

    async def test_the_largest_costs_have_a_finite_sum(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        So have the largest counts at the largest price.
        """
        usage = dict.fromkeys(("input_tokens", "output_tokens"), MAX_COUNT)
        for number in range(4):
            cost = MAX_AMOUNT if number % 2 else None
            await store.save_run(
                make_run(id=f"run_{number}", cost_usd=cost, token_usage=usage)
            )
        costs = await query_api.get_cost_summary(
            pricing_table={"unknown": {"": price(MAX_AMOUNT, MAX_AMOUNT)}}
        )
        computed = 4 * MAX_COUNT * MAX_AMOUNT / _MILLION
        assert costs.total_cost_usd == close_to(2 * MAX_AMOUNT + computed)

    async def test_small_costs_are_not_lost(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A tenth of a cent stays one beside millions of dollars.
        """
        costs = [0.001] * 50 + [7e6, 5e-324]
        await asyncio.gather(
            *(
                store.save_run(make_run(id=f"run_{number}", cost_usd=cost))
                for number, cost in enumerate(costs)
            )
        )
        found = await query_api.get_cost_summary()
        assert found.total_cost_usd == close_to(7_000_000.05)
        assert found.by_provider["unknown"].cost_usd == close_to(7_000_000.05)

    async def test_a_cost_is_counted_once_while_it_becomes_known(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A run whose cost is stored meanwhile is never missed and never counted twice.
        """
        await store.save_run(make_run())

        async def write() -> None:
            for number in range(30):
                await store.save_run(make_run(cost_usd=None if number % 2 else 1.0))

        async def read() -> None:
            for _ in range(30):
                costs = await query_api.get_cost_summary()
                assert costs.run_count == 1
                assert costs.total_cost_usd + costs.unmapped_runs == 1

        await asyncio.gather(write(), read())


@pytest.mark.usefixtures("session")
class TestPrices(QueryAPIContract):
    """
    What no run tells is computed from its tokens, or is unknown.
    """

    async def test_a_run_without_a_price_is_unmapped(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        It is counted, and stands in no group: its cost is not zero but unknown.
        """
        await store.save_run(run_of("run_1", "a", "m"))
        await store.save_run(run_of("run_2", "a", "other"))
        await store.save_run(run_of("run_3", "b", "m", cost_usd=2))
        costs = await query_api.get_cost_summary(
            pricing_table={"a": {"m": price(3, 5)}}, bucket="month"
        )
        assert (costs.run_count, costs.unmapped_runs) == (3, 1)
        assert costs.total_cost_usd == close_to(2 + 3 + 2 * 5)
        assert list(costs.by_provider) == ["a", "b"]
        assert costs.by_provider["a"].run_count == 1
        assert costs.by_provider["a"].cost_usd == close_to(13)
        assert costs.by_provider["a"].output_tokens == 2 * _MILLION
        assert list(costs.by_model) == ["m"]
        assert costs.by_model["m"].run_count == 2
        assert [totals.run_count for totals in costs.by_bucket.values()] == [2]

    async def test_of_several_beginnings_the_longest_counts(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        In whatever order they stand, and only among those of the run's provider.
        """
        await store.save_run(run_of("run_1", "openai", "gpt-4o-mini-2024"))
        mini, plain, rest, other = price(1), price(2), price(4), price(8)
        expected: list[tuple[dict[str, TokenPrice], float | None]] = [
            ({"gpt-4o": plain, "gpt-4o-mini": mini, "": rest}, 1),
            ({"": rest, "gpt-4o-mini": mini, "gpt-4o": plain}, 1),
            ({"gpt-4o-mini-2024-07": mini, "gpt-4o": plain, "": rest}, 2),
            ({"gpt-4o-mini-2024": mini, "gpt": plain}, 1),
            ({"GPT-4o": plain, "": rest}, 4),
            ({"GPT-4o": plain, "-mini": mini}, None),
            ({}, None),
        ]
        for prices, cost in expected:
            table = {"openai": prices, "other": {"gpt-4o-mini-2024": other}}
            assert await total(query_api, table) == cost
        assert await total(query_api, {"OpenAI": {"": rest}}) is None

    async def test_what_is_not_named_has_a_price_too(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A run without a model has that of the empty beginning, alone.

        A run without a provider has that of "unknown".
        """
        await store.save_run(run_of("run_1", "a", None))
        assert await total(query_api, {"a": {"": price(3)}}) == close_to(3)
        assert await total(query_api, {"a": {"unknown": price(3)}}) is None
        await store.save_run(run_of("run_1", None, "m"))
        assert await total(query_api, {"unknown": {"m": price(3)}}) == close_to(3)
        assert await total(query_api, {"a": {"": price(3)}}) is None

    async def test_what_has_a_price_of_zero_costs_nothing(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        That is a known cost, as of a model of one's own.
        """
        await store.save_run(run_of("run_1", "a", "m"))
        assert await total(query_api, {"a": {"m": price(0)}}) == 0

    async def test_the_lookup_is_asked_once_for_what_the_table_does_not_tell(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Neither for what the table tells nor for a cost that is stored.
        """
        for number in range(2):
            runs = [
                run_of(f"run_{number}_1", "a", "m"),
                run_of(f"run_{number}_2", None, "m"),
                run_of(f"run_{number}_3", "a", None),
                run_of(f"run_{number}_4", "tabled", "m"),
                run_of(f"run_{number}_5", "stored", "m", cost_usd=8),
            ]
            for run in runs:
                await store.save_run(run)
        asked: list[tuple[str | None, str | None]] = []

        def look_up(provider: str | None, model: str | None) -> TokenPrice | None:
            asked.append((provider, model))
            return price(1) if provider else None

        costs = await query_api.get_cost_summary(
            pricing_table={"tabled": {"m": price(4)}},
            price_lookup=look_up,
            bucket="hour",
        )
        assert sorted(asked, key=str) == [("a", "m"), ("a", None), (None, "m")]
        assert (costs.run_count, costs.unmapped_runs) == (10, 2)
        assert costs.total_cost_usd == close_to(2 * (1 + 1 + 4 + 8))
        assert (await query_api.get_cost_summary()).unmapped_runs == 8

    async def test_what_a_lookup_raises_is_raised(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The error is the caller's own; an answer that is no price is refused.
        """
        await store.save_run(run_of("run_1", "a", "m"))

        def answer(provider: str | None, model: str | None) -> Any:
            return {provider: model}

        def fail(provider: str | None, model: str | None) -> TokenPrice:
            raise ZeroDivisionError(provider, model)

        with pytest.raises(ValidationError, match=r"^price_lookup: .* got a dict"):
            await query_api.get_cost_summary(price_lookup=answer)
        with pytest.raises(ZeroDivisionError):
            await query_api.get_cost_summary(price_lookup=fail)

    async def test_wrong_prices_are_refused(self, query_api: QueryAPI) -> None:
        """
        Before anything is read, with a message that leads to the culprit.
        """
        tables: list[tuple[Any, str]] = [
            (7, "pricing_table: expected a mapping, got an int"),
            ([("a", {})], "pricing_table: expected a mapping, got a list"),
            ({"": {}}, "pricing_table: key: expected 1 to 255 characters"),
            ({None: {}}, "pricing_table: key: expected text, got a NoneType"),
            ({"a": price(1)}, r"pricing_table\['a'\]: expected a mapping"),
            ({"a": {7: price(1)}}, r"pricing_table\['a'\]: key: expected text"),
            ({"a": {"m\0": price(1)}}, r"pricing_table\['a'\]: key: .* NUL"),
            ({"a": {"m": 3.0}}, r"pricing_table\['a'\]\['m'\]: expected a TokenPrice"),
        ]
        for table, message in tables:
            with pytest.raises(ValidationError, match=f"^{message}"):
                await query_api.get_cost_summary(pricing_table=table)
        others: list[tuple[dict[str, Any], str]] = [
            ({"price_lookup": {}}, "price_lookup: expected a callable, got a dict"),
            ({"bucket": "week"}, "bucket: 'week' is not one of hour, day, month"),
            ({"agent_id": ""}, "agent_id: expected 1 to 255 characters"),
            ({"since": 7}, "since: expected a datetime"),
        ]
        for arguments, message in others:
            with pytest.raises(ValidationError, match=f"^{message}"):
                await query_api.get_cost_summary(**arguments)
