"""
What sums and findings look like, in the words of OpenAPI and as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, cast

import attrs
from pydantic import BaseModel, ConfigDict, Field

from asm_async.integrations.fastapi.schema_types import Count, Time
from asm_async.integrations.fastapi.schemas import EventView, RunView, SessionView

__all__ = [
    "CostSummaryView",
    "HealthReport",
    "HealthView",
    "SessionExportView",
    "SessionStatsView",
    "UsageSummaryView",
    "plain_json",
]


class _View(BaseModel):
    """
    What every view has in common.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class TokenTotalsView(_View):
    """
    The tokens of some runs, added up.
    """

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


class UsageTotalsView(TokenTotalsView):
    """
    The runs of one group: how many, and their tokens added up.
    """

    run_count: Count


class CostTotalsView(_View):
    """
    The runs of one group whose cost is known: their cost and tokens added up.
    """

    run_count: Count
    cost_usd: float = Field(ge=0)
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class UsageSummaryView(_View):
    """
    What runs consumed: all of them, and by provider, model and time.
    """

    run_count: Count
    total_input_tokens: int = Field(ge=0)
    total_output_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)
    by_provider: dict[str, UsageTotalsView]
    by_model: dict[str, UsageTotalsView]
    by_bucket: dict[str, UsageTotalsView] = Field(
        description="By the beginning of each hour, day or month; empty unless asked."
    )


class CostSummaryView(_View):
    """
    What runs cost: all of them, and by provider, model and time.
    """

    run_count: Count
    unmapped_runs: Count = Field(description="Runs of unknown cost.")
    total_cost_usd: float = Field(ge=0)
    by_provider: dict[str, CostTotalsView]
    by_model: dict[str, CostTotalsView]
    by_bucket: dict[str, CostTotalsView] = Field(
        description="By the beginning of each hour, day or month; empty unless asked."
    )


class SessionStatsView(_View):
    """
    A session in figures.
    """

    event_count: Count
    run_count: Count
    token_totals: TokenTotalsView
    providers_used: list[str]
    first_event_at: Time | None
    last_event_at: Time | None
    status_counts: dict[str, Count]


class SessionExportView(_View):
    """
    All there is to know of a session, as of one moment.
    """

    session: SessionView
    runs: list[RunView]
    events: list[EventView]
    latest_sequence: Count
    pruned_count: Count


class HealthView(_View):
    """
    That the database answers.
    """

    status: Literal["ok"]


class HealthIssueView(_View):
    """
    One thing that is wrong with the database.
    """

    kind: str
    subject: str
    message: str


class HealthReport(_View):
    """
    What is wrong with the database; nothing if it is sound.
    """

    issues: list[HealthIssueView]


def plain_json(value: object) -> Any:
    """
    Give a summary, or whatever it is made of, as plain JSON.
    """
    if attrs.has(type(value)):
        names = [
            field.name
            for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
        ]
        return {name: plain_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return {plain_json(key): plain_json(member) for key, member in members.items()}
    if isinstance(value, tuple | list):
        return [plain_json(member) for member in cast("list[object]", value)]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.value if isinstance(value, StrEnum) else value
