"""
What adds up over many runs: statistics, usage and cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import ClassVar

import attrs

from asm_async.values import fields
from asm_async.values.run import RunStatus

__all__ = [
    "UNKNOWN",
    "CostSummary",
    "CostTotals",
    "SessionStats",
    "TokenTotals",
    "UsageSummary",
    "UsageTotals",
]

UNKNOWN = "unknown"
"""
The group of the runs that name no provider, or no model.
"""


@attrs.frozen(kw_only=True)
class TokenTotals:
    """
    The tokens of some runs, added up.
    """

    input_tokens: int
    """
    What the models read.
    """

    output_tokens: int
    """
    What the models wrote.
    """

    total_tokens: int
    """
    The sum of what the runs gave as their totals.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "input_tokens": fields.total_count,
        "output_tokens": fields.total_count,
        "total_tokens": fields.total_count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class UsageTotals:
    """
    The runs of one group: how many, and their tokens added up.
    """

    run_count: int
    """
    How many runs.
    """

    input_tokens: int
    """
    What the models read.
    """

    output_tokens: int
    """
    What the models wrote.
    """

    total_tokens: int
    """
    The sum of what the runs gave as their totals.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "run_count": fields.count,
        "input_tokens": fields.total_count,
        "output_tokens": fields.total_count,
        "total_tokens": fields.total_count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class CostTotals:
    """
    The runs of one group whose cost is known: how many, their cost and tokens added up.
    """

    run_count: int
    """
    How many runs.
    """

    cost_usd: float
    """
    What they cost, in US dollars.
    """

    input_tokens: int
    """
    What the models read.
    """

    output_tokens: int
    """
    What the models wrote.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "run_count": fields.count,
        "cost_usd": fields.total_amount,
        "input_tokens": fields.total_count,
        "output_tokens": fields.total_count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


_status_counts = partial(
    fields.mapping_of,
    key_rule=partial(fields.choice, kind=RunStatus),
    rule=fields.count,
)
_usage = partial(fields.instance, kind=UsageTotals)
_cost_totals = partial(fields.instance, kind=CostTotals)
_usage_by_text = partial(fields.mapping_of, key_rule=fields.text, rule=_usage)
_usage_by_time = partial(fields.mapping_of, key_rule=fields.utc_time, rule=_usage)
_cost_by_text = partial(fields.mapping_of, key_rule=fields.text, rule=_cost_totals)
_cost_by_time = partial(fields.mapping_of, key_rule=fields.utc_time, rule=_cost_totals)


@attrs.frozen(kw_only=True)
class SessionStats:
    """
    One session in figures.
    """

    event_count: int
    """
    How many events are stored; pruned ones are not counted.
    """

    run_count: int
    """
    How many runs are stored.
    """

    token_totals: TokenTotals
    """
    The tokens of all its runs.
    """

    providers_used: tuple[str, ...]
    """
    The providers that its runs name, each once, in the order of their code points.
    """

    first_event_at: datetime | None
    """
    The earliest timestamp of its stored events; None if there are none.
    """

    last_event_at: datetime | None
    """
    The latest timestamp of its stored events; None if there are none.
    """

    status_counts: Mapping[RunStatus, int] = attrs.field(hash=False)
    """
    How many runs stand so; a status that no run has is left out.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "event_count": fields.count,
        "run_count": fields.count,
        "token_totals": partial(fields.instance, kind=TokenTotals),
        "providers_used": fields.tags,
        "first_event_at": fields.optional_utc_time,
        "last_event_at": fields.optional_utc_time,
        "status_counts": _status_counts,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class UsageSummary:
    """
    What runs consumed.
    """

    run_count: int
    """
    How many runs.
    """

    total_input_tokens: int
    """
    What the models read.
    """

    total_output_tokens: int
    """
    What the models wrote.
    """

    total_tokens: int
    """
    The sum of what the runs gave as their totals.
    """

    by_provider: Mapping[str, UsageTotals] = attrs.field(hash=False)
    """
    The same for each provider, in the order of their code points; runs that name none
    stand under ``"unknown"``.
    """

    by_model: Mapping[str, UsageTotals] = attrs.field(hash=False)
    """
    The same for each model, in the order of their code points; runs that name none
    stand under ``"unknown"``.
    """

    by_bucket: Mapping[datetime, UsageTotals] = attrs.field(
        factory=dict[datetime, UsageTotals], hash=False
    )
    """
    The same for each bucket of time in which a run was started, by the bucket's
    beginning in UTC, earliest first; empty unless asked for.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "run_count": fields.count,
        "total_input_tokens": fields.total_count,
        "total_output_tokens": fields.total_count,
        "total_tokens": fields.total_count,
        "by_provider": _usage_by_text,
        "by_model": _usage_by_text,
        "by_bucket": _usage_by_time,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class CostSummary:
    """
    What runs cost.
    """

    run_count: int
    """
    How many runs, those of unknown cost among them.
    """

    unmapped_runs: int
    """
    How many of them have no known cost: none is stored, and no price fits.
    """

    total_cost_usd: float
    """
    What the others cost, in US dollars.
    """

    by_provider: Mapping[str, CostTotals] = attrs.field(hash=False)
    """
    The others for each provider, in the order of their code points; runs that name none
    stand under ``"unknown"``.
    """

    by_model: Mapping[str, CostTotals] = attrs.field(hash=False)
    """
    The others for each model, in the order of their code points; runs that name none
    stand under ``"unknown"``.
    """

    by_bucket: Mapping[datetime, CostTotals] = attrs.field(
        factory=dict[datetime, CostTotals], hash=False
    )
    """
    The others for each bucket of time in which one was started, by the bucket's
    beginning in UTC, earliest first; empty unless asked for.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "run_count": fields.count,
        "unmapped_runs": fields.count,
        "total_cost_usd": fields.total_amount,
        "by_provider": _cost_by_text,
        "by_model": _cost_by_text,
        "by_bucket": _cost_by_time,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
