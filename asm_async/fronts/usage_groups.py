"""
How summaries are made of groups of runs.

A group may be as small as one run. SQL makes a group for each provider, model and
bucket of time in one scan, so that what is left to add up here depends on the number of
groups, not of runs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TypeVar

import attrs

from asm_async.ports.query_api import TimeBucket
from asm_async.values import fields
from asm_async.values.summaries import (
    UNKNOWN,
    CostSummary,
    CostTotals,
    UsageSummary,
    UsageTotals,
)
from asm_async.values.token_price import (
    PriceLookup,
    PricingTable,
    TokenPrice,
    price_in,
)
from asm_async.values.token_usage import TOKEN_COUNTS
from asm_async.values.value import schema_of

K = TypeVar("K", str, datetime)
V = TypeVar("V", UsageTotals, CostTotals)


@attrs.frozen(kw_only=True)
class RunGroup:
    """
    Some runs of one provider and one model, added up.

    *started_at* is a time in the bucket in which they were started, None if no bucket
    is asked for; *cost_usd* is None if no cost is stored for any of them. Of
    *untold_runs* it is known neither what they read nor what they wrote.
    """

    provider: str | None
    model: str | None
    run_count: int
    untold_runs: int = 0
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    started_at: datetime | None = None
    cost_usd: float | None = None


@attrs.define
class _Sum:
    run_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    costs: list[float] = attrs.Factory(list[float])

    def add(self, group: RunGroup) -> None:
        self.run_count += group.run_count
        for name in TOKEN_COUNTS:
            setattr(self, name, getattr(self, name) + getattr(group, name))
        if group.cost_usd:
            self.costs.append(group.cost_usd)

    @property
    def cost_usd(self) -> float:
        # Exact, so that the order in which a database returns groups does not matter.
        return math.fsum(self.costs)


@attrs.define
class _Sums:
    whole: _Sum = attrs.Factory(_Sum)
    by_provider: defaultdict[str, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))
    by_model: defaultdict[str, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))
    by_bucket: defaultdict[datetime, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))

    def add(self, group: RunGroup, bucket: TimeBucket | None) -> None:
        self.whole.add(group)
        self.by_provider[group.provider or UNKNOWN].add(group)
        self.by_model[group.model or UNKNOWN].add(group)
        if bucket and group.started_at:
            self.by_bucket[start_of(bucket, group.started_at)].add(group)


def start_of(bucket: TimeBucket, time: datetime) -> datetime:
    """
    Return the beginning of the hour, day or month in which a UTC *time* lies.
    """
    hour = time.replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    return hour.replace(hour=0) if bucket == "day" else hour.replace(hour=0, day=1)


def usage_summary(
    groups: Iterable[RunGroup], bucket: TimeBucket | None
) -> UsageSummary:
    """
    Add up what the runs of all groups consumed.
    """
    sums = _Sums()
    for group in groups:
        sums.add(group, bucket)
    return UsageSummary(
        run_count=sums.whole.run_count,
        total_input_tokens=sums.whole.input_tokens,
        total_output_tokens=sums.whole.output_tokens,
        total_tokens=sums.whole.total_tokens,
        total_cache_read_tokens=sums.whole.cache_read_tokens,
        total_cache_write_tokens=sums.whole.cache_write_tokens,
        total_reasoning_tokens=sums.whole.reasoning_tokens,
        by_provider=_totals(UsageTotals, sums.by_provider),
        by_model=_totals(UsageTotals, sums.by_model),
        by_bucket=_totals(UsageTotals, sums.by_bucket),
    )


def cost_summary(
    groups: Iterable[RunGroup],
    bucket: TimeBucket | None,
    pricing_table: PricingTable,
    price_lookup: PriceLookup | None,
) -> CostSummary:
    """
    Add up what the runs of all groups cost: as stored, else by the table or the lookup.

    Raises:
        ValidationError: If *price_lookup* returns anything but a price or None.
    """

    @cache
    def find_price(provider: str | None, model: str | None) -> TokenPrice | None:
        found = price_in(pricing_table, provider or UNKNOWN, model)
        if found is None and price_lookup is not None:
            return _checked(price_lookup(provider, model))
        return found

    sums, unmapped_runs = _Sums(), 0
    for group in groups:
        if group.cost_usd is not None:
            sums.add(group, bucket)
            continue
        price = find_price(group.provider, group.model)
        unmapped = group.run_count if price is None else group.untold_runs
        unmapped_runs += unmapped
        if price is not None and group.run_count > unmapped:
            sums.add(_priced(group, price), bucket)
    return CostSummary(
        run_count=sums.whole.run_count + unmapped_runs,
        unmapped_runs=unmapped_runs,
        total_cost_usd=sums.whole.cost_usd,
        by_provider=_totals(CostTotals, sums.by_provider),
        by_model=_totals(CostTotals, sums.by_model),
        by_bucket=_totals(CostTotals, sums.by_bucket),
    )


def _priced(group: RunGroup, price: TokenPrice) -> RunGroup:
    """
    Return a group with its cost, without the runs of which no tokens are known.
    """
    cost = price.cost_of(
        group.input_tokens,
        group.output_tokens,
        cache_read_tokens=group.cache_read_tokens,
        cache_write_tokens=group.cache_write_tokens,
    )
    told = group.run_count - group.untold_runs
    return attrs.evolve(group, run_count=told, cost_usd=cost)


def _checked(price: object) -> TokenPrice | None:
    if price is None or isinstance(price, TokenPrice):
        return price
    raise fields.unexpected("price_lookup", "it to give a TokenPrice", price)


def _totals(kind: type[V], sums: Mapping[K, _Sum]) -> dict[K, V]:
    # What is added up has the names of what is shown.
    names = schema_of(kind).rules
    return {
        key: kind(**{name: getattr(sums[key], name) for name in names})
        for key in sorted(sums)
    }
