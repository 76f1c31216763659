"""
What adds up over many runs: statistics, usage and cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

from asm_async.values.fields import Count, Tags, Text, TotalAmount, TotalCount, UTCTime
from asm_async.values.run import RunStatus
from asm_async.values.value import Value

UNKNOWN = "unknown"
"""
The group of the runs that name no provider, or no model.
"""


@attrs.frozen(kw_only=True)
class TokenTotals(Value):
    """
    The tokens of some runs, added up.
    """

    input_tokens: TotalCount
    """
    The input tokens.
    """

    output_tokens: TotalCount
    """
    The output tokens.
    """

    total_tokens: TotalCount
    """
    The sum of the runs' own totals.
    """

    cache_read_tokens: TotalCount = 0
    """
    What of the input was read from a cache.
    """

    cache_write_tokens: TotalCount = 0
    """
    What of the input was written to a cache.
    """

    reasoning_tokens: TotalCount = 0
    """
    What of the output was reasoning.
    """


@attrs.frozen(kw_only=True)
class UsageTotals(TokenTotals):
    """
    The runs of one group: how many, and their tokens added up.
    """

    run_count: Count
    """
    How many runs.
    """


@attrs.frozen(kw_only=True)
class CostTotals(Value):
    """
    The runs of one group whose cost is known: how many, their cost and tokens added up.
    """

    run_count: Count
    """
    How many runs.
    """

    cost_usd: TotalAmount
    """
    Their cost, in US dollars.
    """

    input_tokens: TotalCount
    """
    The input tokens.
    """

    output_tokens: TotalCount
    """
    The output tokens.
    """


@attrs.frozen(kw_only=True)
class UsageGroup(UsageTotals):
    """
    What runs consumed that *group_by* puts together.
    """

    key: Mapping[Text, Text | None] = attrs.field(hash=False)
    """
    Their common properties, by the names of *group_by*; None is what they have none of.
    """

    bucket: UTCTime | None = None
    """
    The beginning of the bucket of time in which they were started, if one is asked for.
    """


@attrs.frozen(kw_only=True)
class CostGroup(CostTotals):
    """
    What runs cost that *group_by* puts together.

    It counts those of known cost, and beside them those of unknown cost.
    """

    key: Mapping[Text, Text | None] = attrs.field(hash=False)
    """
    Their common properties, by the names of *group_by*; None is what they have none of.
    """

    bucket: UTCTime | None = None
    """
    The beginning of the bucket of time in which they were started, if one is asked for.
    """

    unmapped_runs: Count
    """
    How many further runs have no known cost.
    """


@attrs.frozen(kw_only=True)
class SessionStats(Value):
    """
    One session in figures.
    """

    event_count: Count
    """
    How many events are stored; pruned ones are not counted.
    """

    run_count: Count
    """
    How many runs are stored.
    """

    token_totals: TokenTotals
    """
    The tokens of all its runs.
    """

    providers_used: Tags
    """
    The providers that its runs name, each once, in the order of their code points.
    """

    first_event_at: UTCTime | None
    """
    The earliest timestamp of its stored events; None if there are none.
    """

    last_event_at: UTCTime | None
    """
    The latest timestamp of its stored events; None if there are none.
    """

    status_counts: Mapping[RunStatus, Count] = attrs.field(hash=False)
    """
    How many runs have each status; a status that no run has is left out.
    """


@attrs.frozen(kw_only=True)
class UsageSummary(Value):
    """
    What runs consumed.
    """

    run_count: Count
    """
    How many runs.
    """

    total_input_tokens: TotalCount
    """
    The input tokens.
    """

    total_output_tokens: TotalCount
    """
    The output tokens.
    """

    total_tokens: TotalCount
    """
    The sum of the runs' own totals.
    """

    by_provider: Mapping[Text, UsageTotals] = attrs.field(hash=False)
    """
    The same for each provider, in the order of their code points; runs that name none
    are under ``"unknown"``.
    """

    by_model: Mapping[Text, UsageTotals] = attrs.field(hash=False)
    """
    The same for each model, in the order of their code points; runs that name none are
    under ``"unknown"``.
    """

    by_bucket: Mapping[UTCTime, UsageTotals] = attrs.field(
        factory=dict[datetime, UsageTotals], hash=False
    )
    """
    The same for each bucket of time in which a run was started, by the bucket's
    beginning in UTC, earliest first; empty unless asked for.
    """

    groups: tuple[UsageGroup, ...] = ()
    """
    The same for each group that *group_by* asks for, in the order of its names, then of
    the code points of what they name, those of None last; then by bucket.
    """

    total_cache_read_tokens: TotalCount = 0
    """
    What of the input was read from a cache.
    """

    total_cache_write_tokens: TotalCount = 0
    """
    What of the input was written to a cache.
    """

    total_reasoning_tokens: TotalCount = 0
    """
    What of the output was reasoning.
    """


@attrs.frozen(kw_only=True)
class CostSummary(Value):
    """
    What runs cost.
    """

    run_count: Count
    """
    How many runs, those of unknown cost among them.
    """

    unmapped_runs: Count
    """
    How many of them have no known cost: none is stored, and no price fits, or nobody
    told their tokens.
    """

    total_cost_usd: TotalAmount
    """
    The cost of the others, in US dollars.
    """

    by_provider: Mapping[Text, CostTotals] = attrs.field(hash=False)
    """
    The others for each provider, in the order of their code points; runs that name none
    are under ``"unknown"``.
    """

    by_model: Mapping[Text, CostTotals] = attrs.field(hash=False)
    """
    The others for each model, in the order of their code points; runs that name none
    are under ``"unknown"``.
    """

    by_bucket: Mapping[UTCTime, CostTotals] = attrs.field(
        factory=dict[datetime, CostTotals], hash=False
    )
    """
    The others for each bucket of time in which one was started, by the bucket's
    beginning in UTC, earliest first; empty unless asked for.
    """

    groups: tuple[CostGroup, ...] = ()
    """
    The others, and how many are unmapped, for each group that *group_by* asks for, in
    the order of its names, then of the code points of what they name, those of None
    last; then by bucket.
    """
