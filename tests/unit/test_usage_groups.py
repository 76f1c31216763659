from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from asm_async.fronts.query_filters import UsageFilter
from asm_async.fronts.usage_groups import (
    RunGroup,
    cost_summary,
    start_of,
    usage_summary,
)
from asm_async.ports.query_api import TimeBucket
from asm_async.testing.factories import NOON
from asm_async.values.token_price import TokenPrice, price_in

PRICE = TokenPrice(input_usd_per_million=3, output_usd_per_million=15)
ALL = UsageFilter()
BY_DAY = UsageFilter(bucket="day")
OTHER = TokenPrice(input_usd_per_million=1, output_usd_per_million=1)


def group(**fields: Any) -> RunGroup:
    """
    Make a group of two runs, but for the fields that are given.
    """
    defaults: dict[str, Any] = {
        "provider": "acme",
        "model": "m",
        "run_count": 2,
        "input_tokens": 2_000_000,
        "output_tokens": 1_000_000,
        "total_tokens": 3_000_000,
        "started_at": NOON,
    }
    return RunGroup(**(defaults | fields))


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ("hour", datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("day", datetime(2026, 12, 31, tzinfo=UTC)),
        ("month", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_bucket_holds_its_last_microsecond(
    bucket: TimeBucket, expected: datetime
) -> None:
    """
    It begins at its beginning and ends where the next one begins.
    """
    end = datetime(2027, 1, 1, tzinfo=UTC)

    assert start_of(bucket, end - timedelta(microseconds=1)) == expected
    assert start_of(bucket, expected) == expected
    assert start_of(bucket, end) == end


async def test_groups_of_any_size_make_the_same_summary() -> None:
    """
    It does not matter which runs an adapter has added up already.
    """
    halves = [
        group(run_count=1, input_tokens=500_000, output_tokens=1_000_000),
        group(run_count=1, input_tokens=1_500_000, output_tokens=0, total_tokens=0),
    ]

    assert await usage_summary(halves, BY_DAY) == await usage_summary([group()], BY_DAY)
    for prices in ({"acme": {"m": PRICE}}, {}):
        in_halves = await cost_summary(halves, BY_DAY, prices, None)
        assert in_halves == await cost_summary([group()], BY_DAY, prices, None)


async def test_times_of_one_bucket_are_added_up() -> None:
    """
    A month may come as its days.
    """
    days = [group(started_at=NOON), group(started_at=NOON + timedelta(days=9))]
    usage = await usage_summary(days, UsageFilter(bucket="month"))

    assert [totals.run_count for totals in usage.by_bucket.values()] == [4]


async def test_a_stored_cost_of_zero_is_known() -> None:
    """
    Nothing is computed where it is stored that a run cost nothing.
    """
    costs = await cost_summary([group(cost_usd=0.0)], ALL, {"acme": {"": PRICE}}, None)

    assert (costs.unmapped_runs, costs.total_cost_usd) == (0, 0)
    assert costs.by_model["m"].run_count == 2


async def test_sums_of_costs_do_not_depend_on_the_order() -> None:
    """
    Small costs are not lost beside large ones, whichever come first.
    """
    groups = [group(cost_usd=cost) for cost in (1e15, *[0.1] * 10)]
    forth = await cost_summary(groups, ALL, {}, None)
    back = await cost_summary(groups[::-1], ALL, {}, None)

    assert forth == back
    assert forth.total_cost_usd == 1e15 + 1


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gpt-4o", PRICE), ("gpt-4o-mini", OTHER), ("gpt", None), (None, None)],
)
def test_the_longest_beginning_tells_the_price(
    model: str | None, expected: TokenPrice | None
) -> None:
    """
    A name that is shorter than a beginning does not begin with it.
    """
    table = {"openai": {"gpt-4o": PRICE, "gpt-4o-": OTHER}}

    assert price_in(table, "openai", model) == expected
    assert price_in(table, "acme", model) is None


async def test_runs_that_nobody_told_of_are_not_free() -> None:
    """
    They count as unmapped where the others of their group have a price.
    """
    costs = await cost_summary([group(untold_runs=1)], ALL, {"acme": {"": PRICE}}, None)

    assert (costs.run_count, costs.unmapped_runs) == (2, 1)
    assert costs.by_model["m"].run_count == 1
    none = await cost_summary([group(untold_runs=2)], ALL, {"acme": {"": PRICE}}, None)
    assert (none.unmapped_runs, dict(none.by_model)) == (2, {})
    stored = await cost_summary([group(untold_runs=2, cost_usd=1.0)], ALL, {}, None)
    assert (stored.unmapped_runs, stored.total_cost_usd) == (0, 1.0)


async def test_cached_tokens_cost_what_their_price_says() -> None:
    """
    As much as input where it says nothing; they are part of the input.
    """
    cached = {"cache_read_tokens": 600_000, "cache_write_tokens": 300_000}
    both = attrs.evolve(
        PRICE, cache_read_usd_per_million=0.3, cache_write_usd_per_million=6
    )
    free = attrs.evolve(PRICE, cache_read_usd_per_million=0)

    assert PRICE.cost_of(1_000_000, 0, **cached) == 3
    assert both.cost_of(1_000_000, 0, **cached) == pytest.approx(0.3 + 0.18 + 1.8)
    assert free.cost_of(1_000_000, 0, **cached) == pytest.approx(1.2)
    costs = await cost_summary([group(**cached)], ALL, {"acme": {"": both}}, None)
    assert costs.total_cost_usd == pytest.approx(
        both.cost_of(2_000_000, 1_000_000, **cached)
    )


def test_a_price_is_for_a_million_tokens() -> None:
    """
    Reading and writing have a price each.
    """
    assert PRICE.cost_of(1_000_000, 0) == 3
    assert PRICE.cost_of(0, 2) == 0.00003
    assert PRICE.cost_of(2**63, 0) == pytest.approx(2**63 * 3 / 1e6)
