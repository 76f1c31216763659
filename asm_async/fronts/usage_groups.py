"""
How summaries are made of groups of runs.

A group may be as small as one run. SQL makes a group for each provider, model, bucket
of time and combination of what is grouped by, so that what is left to add up here
depends on the number of groups, not of runs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache
from time import perf_counter
from typing import Any, Literal, TypeAlias, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.loop_share import LoopShare, in_pieces
from asm_async.fronts.query_filters import UsageFilter
from asm_async.ports.query_api import MAX_USAGE_GROUPS, TimeBucket
from asm_async.values import fields
from asm_async.values.summaries import (
    UNKNOWN,
    CostGroup,
    CostSummary,
    CostTotals,
    UsageGroup,
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
G = TypeVar("G", UsageGroup, CostGroup)

_GroupKey: TypeAlias = tuple[tuple[str | None, ...], datetime | None]


@attrs.frozen(kw_only=True)
class RunGroup:
    """
    Some runs of one provider and one model, added up.

    *agent* to *tag* are what is grouped by, None if it is not. *started_at* is a time
    in the bucket in which they were started, None if no bucket is asked for; *cost_usd*
    is None if no cost is stored for any of them. Of *untold_runs* it is known neither
    what they read nor what they wrote.

    Runs of several tags are in several groups, which count *for* those alone; the
    totals have groups of their own then.
    """

    provider: str | None
    model: str | None
    agent: str | None = None
    tenant: str | None = None
    user: str | None = None
    session: str | None = None
    tag: str | None = None
    counts_for: Literal["all", "totals", "groups"] = "all"
    run_count: int
    untold_runs: int = 0
    unmapped_runs: int = 0
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
    unmapped_runs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    costs: list[float] = attrs.Factory(list[float])

    def add(self, group: RunGroup) -> None:
        self.unmapped_runs += group.unmapped_runs
        if not group.run_count:
            return
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
    wanted: UsageFilter
    whole: _Sum = attrs.Factory(_Sum)
    by_provider: defaultdict[str, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))
    by_model: defaultdict[str, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))
    by_bucket: defaultdict[datetime, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))
    groups: defaultdict[_GroupKey, _Sum] = attrs.Factory(lambda: defaultdict(_Sum))

    def add(self, group: RunGroup) -> None:
        key = _key_of(group, self.wanted)
        if self.wanted.group_by and group.counts_for != "totals":
            self.groups[key].add(group)
        if group.counts_for != "groups":
            self._add_to_totals(group, key[1])

    def _add_to_totals(self, group: RunGroup, start: datetime | None) -> None:
        self.whole.add(group)
        # Where no cost is known there is no group.
        if group.run_count:
            self.by_provider[group.provider or UNKNOWN].add(group)
            self.by_model[group.model or UNKNOWN].add(group)
            if start is not None:
                self.by_bucket[start].add(group)


def _key_of(group: RunGroup, wanted: UsageFilter) -> _GroupKey:
    start: datetime | None = None
    if wanted.bucket and group.started_at:
        start = start_of(wanted.bucket, group.started_at)
    return tuple([getattr(group, name) for name in wanted.group_by]), start


def start_of(bucket: TimeBucket, time: datetime) -> datetime:
    """
    Return the beginning of the hour, day or month in which a UTC *time* lies.
    """
    hour = time.replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    return hour.replace(hour=0) if bucket == "day" else hour.replace(hour=0, day=1)


async def usage_summary(
    groups: Collection[RunGroup], wanted: UsageFilter
) -> UsageSummary:
    """
    Add up what the runs of all groups consumed.

    Raises:
        ValidationError: If more is told apart than one answer does.
    """
    sums = await _added_up(groups, wanted)
    return UsageSummary(
        run_count=sums.whole.run_count,
        total_input_tokens=sums.whole.input_tokens,
        total_output_tokens=sums.whole.output_tokens,
        total_tokens=sums.whole.total_tokens,
        total_cache_read_tokens=sums.whole.cache_read_tokens,
        total_cache_write_tokens=sums.whole.cache_write_tokens,
        total_reasoning_tokens=sums.whole.reasoning_tokens,
        by_provider=await _totals(UsageTotals, sums.by_provider),
        by_model=await _totals(UsageTotals, sums.by_model),
        by_bucket=await _totals(UsageTotals, sums.by_bucket),
        groups=await _in_order(UsageGroup, sums),
    )


async def cost_summary(
    groups: Collection[RunGroup],
    wanted: UsageFilter,
    pricing_table: PricingTable,
    price_lookup: PriceLookup | None,
) -> CostSummary:
    """
    Add up what the runs of all groups cost: as stored, else by the table or the lookup.

    Raises:
        ValidationError: If *price_lookup* returns anything but a price or None, or if
            more is told apart than one answer does.
    """

    @cache
    def find_price(provider: str | None, model: str | None) -> TokenPrice | None:
        found = price_in(pricing_table, provider or UNKNOWN, model)
        if found is None and price_lookup is not None:
            return _checked(price_lookup(provider, model))
        return found

    def costed(group: RunGroup) -> RunGroup:
        if group.cost_usd is not None:
            return group
        return _priced(group, find_price(group.provider, group.model))

    sums = await _added_up(groups, wanted, costed)
    return CostSummary(
        run_count=sums.whole.run_count + sums.whole.unmapped_runs,
        unmapped_runs=sums.whole.unmapped_runs,
        total_cost_usd=sums.whole.cost_usd,
        by_provider=await _totals(CostTotals, sums.by_provider),
        by_model=await _totals(CostTotals, sums.by_model),
        by_bucket=await _totals(CostTotals, sums.by_bucket),
        groups=await _in_order(CostGroup, sums),
    )


async def _added_up(
    groups: Collection[RunGroup],
    wanted: UsageFilter,
    costed: Callable[[RunGroup], RunGroup] | None = None,
) -> _Sums:
    share, sums, told_apart = LoopShare(), _Sums(wanted), set[tuple[Any, ...]]()
    if len(groups) > MAX_USAGE_GROUPS:
        for group in groups:
            whose = (group.counts_for, group.provider, group.model)
            told_apart.add((*whose, _key_of(group, wanted)))
            if len(told_apart) > MAX_USAGE_GROUPS:
                raise _too_many_groups(wanted)
            if perf_counter() >= share.ends_at:
                await share.rest()
    for group in groups:
        sums.add(group if costed is None else costed(group))
        if perf_counter() >= share.ends_at:
            await share.rest()
    return sums


def _too_many_groups(wanted: UsageFilter) -> ValidationError:
    names: list[str] = [*dict.fromkeys(("provider", "model", *wanted.group_by))]
    if wanted.bucket is not None:
        names.append(wanted.bucket)
    return ValidationError(
        f"group_by: more than {MAX_USAGE_GROUPS:,} groups by {', '.join(names)}: choose"
        " a shorter time (since, until), one tenant, agent or user, a longer bucket, or"
        " fewer names in group_by"
    )


def _priced(group: RunGroup, price: TokenPrice | None) -> RunGroup:
    """
    Return a group with its cost, told from the runs whose cost nobody knows.
    """
    if price is None:
        return attrs.evolve(group, run_count=0, unmapped_runs=group.run_count)
    cost = price.cost_of(
        group.input_tokens,
        group.output_tokens,
        cache_read_tokens=group.cache_read_tokens,
        cache_write_tokens=group.cache_write_tokens,
    )
    unmapped = group.untold_runs
    told = group.run_count - unmapped
    return attrs.evolve(group, run_count=told, unmapped_runs=unmapped, cost_usd=cost)


def _checked(price: object) -> TokenPrice | None:
    if price is None or isinstance(price, TokenPrice):
        return price
    raise fields.unexpected(
        "price_lookup", "a function that returns a TokenPrice or None", price
    )


async def _totals(kind: type[V], sums: Mapping[K, _Sum]) -> dict[K, V]:
    keys = sorted(sums)
    made = await in_pieces(lambda key: kind(**_shown(kind, sums[key])), keys)
    return dict(zip(keys, made, strict=True))


async def _in_order(kind: type[G], sums: _Sums) -> tuple[G, ...]:
    def place(key: _GroupKey) -> list[Any]:
        # What stands beside each text keeps None from being compared with one. Either
        # all groups have a bucket or none has.
        return [*((text is None, text or "") for text in key[0]), key[1]]

    def made(key: _GroupKey) -> G:
        texts, start = key
        named: Mapping[str, str | None] = dict(
            zip(sums.wanted.group_by, texts, strict=True)
        )
        return kind(key=named, bucket=start, **_shown(kind, sums.groups[key]))

    return tuple(await in_pieces(made, sorted(sums.groups, key=place)))


def _shown(kind: type[UsageTotals | CostTotals], total: _Sum) -> dict[str, Any]:
    # What is added up has the names of what is shown.
    names = schema_of(kind).rules
    return {name: getattr(total, name) for name in names if hasattr(total, name)}
