"""
Tokens and cost of one group of runs, as a row of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs

from asm_async.cli.run_texts import shown_cost
from asm_async.cli.screen import Column, Screen
from asm_async.values.summaries import (
    CostSummary,
    CostTotals,
    UsageSummary,
    UsageTotals,
)

Measure: TypeAlias = Literal["tokens", "cost", "runs"]
"""
What a bar shows.
"""

_NONE = "(none)"
_TIME_FORMATS: Mapping[str, str] = MappingProxyType(
    {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}
)


@attrs.frozen
class UsageRow:
    """
    The runs of one group.
    """

    names: Sequence[str]
    """
    What they have in common.
    """

    usage: UsageTotals

    cost: CostTotals | None
    """
    What those of known cost have cost; None if there are none.
    """

    def value(self, measure: Measure) -> float:
        """
        Return one of its figures.
        """
        if measure == "cost":
            return self.cost.cost_usd if self.cost else 0.0
        return self.usage.run_count if measure == "runs" else self.usage.total_tokens

    def shown(self, measure: Measure) -> str:
        """
        Write one of its figures.
        """
        value = self.value(measure)
        return shown_cost(value) if measure == "cost" else f"{value:,}"


def rows_of(
    usage: UsageSummary,
    cost: CostSummary,
    bucket: str | None,
    keys: Sequence[str],
) -> list[UsageRow]:
    """
    Join what was consumed with what it cost, group by group, earliest first.
    """
    if not keys:
        return [
            UsageRow([_time(at, bucket)], totals, cost.by_bucket.get(at))
            for at, totals in usage.by_bucket.items()
        ]
    costs = {(group.bucket, tuple(group.key.items())): group for group in cost.groups}
    rows: list[tuple[tuple[datetime | None, int], UsageRow]] = []
    for place, group in enumerate(usage.groups):
        found = costs.get((group.bucket, tuple(group.key.items())))
        names = [] if group.bucket is None else [_time(group.bucket, bucket)]
        names += [_NONE if (name := group.key[key]) is None else name for key in keys]
        known = found if found is not None and found.run_count else None
        rows.append(((group.bucket, place), UsageRow(names, group, known)))
    if bucket is not None:
        rows.sort(key=lambda row: (str(row[0][0]), row[0][1]))
    return [row for _, row in rows]


def print_rows(
    screen: Screen,
    rows: Sequence[UsageRow],
    usage: UsageSummary,
    cost: CostSummary,
    keys: Sequence[str],
) -> None:
    """
    Print a table with a row for each group, and one for all of them.
    """
    columns = [
        *(Column(key, style="cyan") for key in keys),
        *(Column(name, is_number=True) for name in ("runs", "input", "output")),
        *(Column(name, is_number=True) for name in ("cached", "total", "cost")),
    ]
    cells = [[*row.names, *_figures(row.usage, row.cost)] for row in rows]
    if len(rows) > 1:
        blanks = [""] * (len(keys) - 1)
        cells.append(["all", *blanks, *_figures_of_all(usage, cost)])
    screen.table(columns, cells)


def _figures(usage: UsageTotals, cost: CostTotals | None) -> list[str]:
    counts = [usage.run_count, usage.input_tokens, usage.output_tokens]
    return [
        *(f"{count:,}" for count in counts),
        f"{usage.cache_read_tokens:,}" if usage.cache_read_tokens else "",
        f"{usage.total_tokens:,}",
        "" if cost is None else shown_cost(cost.cost_usd),
    ]


def _figures_of_all(usage: UsageSummary, cost: CostSummary) -> list[str]:
    counts = [usage.run_count, usage.total_input_tokens, usage.total_output_tokens]
    cached = usage.total_cache_read_tokens
    return [
        *(f"{count:,}" for count in counts),
        f"{cached:,}" if cached else "",
        f"{usage.total_tokens:,}",
        shown_cost(cost.total_cost_usd) if cost.unmapped_runs < cost.run_count else "",
    ]


def _time(at: datetime, bucket: str | None) -> str:
    return at.strftime(_TIME_FORMATS[bucket or "hour"])
