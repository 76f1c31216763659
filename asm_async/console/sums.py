"""
What runs consumed and cost, and how long they took, by what charts tell apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any, Literal, TypeAlias

from asm_async.console.access import Reader
from asm_async.console.answers import Latency, LatencyGroup, Sums, SumsGroup, Usage
from asm_async.console.cuts import optional_time
from asm_async.console.rows import tokens_in_summary
from asm_async.console.runs import milliseconds, model_of, tokens_in
from asm_async.fronts.loop_share import in_pieces
from asm_async.values.run import Run, RunStatus
from asm_async.values.summaries import CostGroup, UsageGroup

LatencyDimension: TypeAlias = Literal["model", "provider", "user", "agent", "day"]

MAX_SAMPLE = 1_000
"""
How many runs latencies are computed from.
"""

_RUNS_AT_ONCE = 200
_MAX_GROUPS = 20
_OVER = tuple(status for status in RunStatus if status.is_over)

# What searches of runs are narrowed by.
_FILTERS: Mapping[str, str] = {"user": "user_id", "agent": "agent_id"}


async def usage_of(
    reader: Reader, group_by: Collection[str], filters: Mapping[str, Any]
) -> Usage:
    """
    Add up what runs consumed and cost.

    Both are read one after the other: what was stored in between is in one alone.
    """
    asked = {**filters, "group_by": list(group_by)}
    used = await reader.view.get_usage_summary(**asked)
    cost = await reader.view.get_cost_summary(**asked, price_lookup=reader.price_lookup)
    costs = {_key_of(group): group for group in cost.groups}

    def group_of(group: UsageGroup) -> SumsGroup:
        its = costs.get(_key_of(group))
        return {
            "key": dict(group.key),
            "bucket": optional_time(group.bucket),
            "runs": group.run_count,
            "unpriced_runs": 0 if its is None else its.unmapped_runs,
            "cost_usd": 0.0 if its is None else its.cost_usd,
            "tokens": tokens_in(group),
        }

    total: Sums = {
        "runs": used.run_count,
        "unpriced_runs": cost.unmapped_runs,
        "cost_usd": cost.total_cost_usd,
        "tokens": tokens_in_summary(used),
    }
    return {"total": total, "groups": await in_pieces(group_of, used.groups)}


def _key_of(group: UsageGroup | CostGroup) -> tuple[Any, ...]:
    return group.bucket, *sorted(group.key.items())


async def latency_of(
    reader: Reader, group_by: LatencyDimension | None, filters: Mapping[str, Any]
) -> Latency:
    """
    Return how long ended runs took, the latest 1,000 of them at most.

    By user or agent these are the latest 200 of each of the 20 that had most runs.
    """
    name = _FILTERS.get(group_by or "")
    if name is None or filters.get(name) is not None:
        runs, is_sample = await _ended_runs(reader, filters, MAX_SAMPLE)
        owner: str | None = filters.get(name or "")
        by_key: dict[str | None, list[Run]] = defaultdict(list)
        for run in runs:
            by_key[_told_by_run(run, group_by, owner)].append(run)
    else:
        by_key, is_sample = await _by_owner(reader, str(group_by), name, filters)
    groups = [_latency(key, runs) for key, runs in by_key.items() if runs]
    if group_by == "day":
        groups.sort(key=lambda group: group["key"] or "")
    else:
        groups.sort(key=lambda group: -group["runs"])
    count = sum(group["runs"] for group in groups)
    return {"groups": groups, "runs": count, "is_sample": is_sample}


def _told_by_run(
    run: Run, group_by: LatencyDimension | None, owner: str | None
) -> str | None:
    """
    Return the group of a run, of whose session no more is known than its *owner*.
    """
    match group_by:
        case "model":
            return model_of(run)
        case "provider":
            return run.provider
        case "day":
            return run.started_at.date().isoformat()
        case _:
            return owner


async def _by_owner(
    reader: Reader, group_by: str, name: str, filters: Mapping[str, Any]
) -> tuple[dict[str | None, list[Run]], bool]:
    usage = await reader.view.get_usage_summary(**filters, group_by=[group_by])
    groups = sorted(usage.groups, key=lambda group: -group.run_count)
    keys = [group.key[group_by] for group in groups if group.key[group_by] is not None]
    is_sample = len(keys) > _MAX_GROUPS
    by_key: dict[str | None, list[Run]] = {}
    for key in keys[:_MAX_GROUPS]:
        narrowed = {**filters, name: key}
        by_key[key], has_more = await _ended_runs(reader, narrowed, _RUNS_AT_ONCE)
        is_sample |= has_more
    return by_key, is_sample


async def _ended_runs(
    reader: Reader, filters: Mapping[str, Any], most: int
) -> tuple[list[Run], bool]:
    """
    Return the latest ended runs, and whether there are more.
    """
    asked = dict(filters)
    since, until = asked.pop("since", None), asked.pop("until", None)
    runs: list[Run] = []
    cursor: str | None = None
    while True:
        page = await reader.view.search_runs(
            **asked,
            status=_OVER,
            started_after=since,
            started_before=until,
            limit=min(_RUNS_AT_ONCE, most - len(runs)),
            cursor=cursor,
        )
        runs += [run for run in page.items if run.ended_at is not None]
        cursor = page.cursor
        if cursor is None or len(runs) >= most:
            return runs, cursor is not None


def _latency(key: str | None, runs: Sequence[Run]) -> LatencyGroup:
    times = sorted(
        milliseconds(run.started_at, run.ended_at) for run in runs if run.ended_at
    )
    # The nearest rank: a time that a run took.
    rank = max(0, -(-95 * len(times) // 100) - 1)
    return {
        "key": key,
        "runs": len(times),
        "median_ms": median(times),
        "p95_ms": times[rank],
        "max_ms": times[-1],
    }
