"""
``asm usage``: tokens and cost, added up.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import attrs
from cyclopts import Group, Parameter

from asm_async.cli.bars import print_bars
from asm_async.cli.database import on_ports
from asm_async.cli.list_prices import list_prices
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import say
from asm_async.cli.screen import Screen
from asm_async.cli.times import Time
from asm_async.cli.usage_rows import Measure, print_rows, rows_of
from asm_async.errors import ValidationError
from asm_async.ports.query_api import TimeBucket, UsageDimension
from asm_async.ports.together import Ports
from asm_async.values.plain_value import plain_json

_Key: TypeAlias = Literal[
    "model",
    "provider",
    "agent",
    "user",
    "tenant",
    "session",
    "tag",
    "hour",
    "day",
    "month",
]


@Parameter(name="*", group=Group("Filters", sort_key=50))
@attrs.frozen(kw_only=True)
class RunFilters:
    """
    Which runs.
    """

    session_id: Annotated[
        str | None, Parameter(name="--session", help="Only runs of this session.")
    ] = None

    agent_id: Annotated[
        str | None,
        Parameter(name="--agent", help="Only runs of this agent's sessions."),
    ] = None

    tenant_id: Annotated[
        str | None,
        Parameter(name="--tenant", help="Only runs of this tenant's sessions."),
    ] = None

    user_id: Annotated[
        str | None, Parameter(name="--user", help="Only runs of this user's sessions.")
    ] = None

    provider: Annotated[str | None, Parameter(help="Only runs of this provider.")] = (
        None
    )

    since: Annotated[
        Time | None, Parameter(help="Only runs started at this time or later.")
    ] = None

    until: Annotated[Time | None, Parameter(help="Only runs started earlier.")] = None


ALL_RUNS = RunFilters()
"""
No filter.
"""


def add_up(
    *,
    by: Annotated[tuple[_Key, ...], Parameter(show_default=False)] = ("model",),
    plot: Annotated[bool, Parameter(show_default=False)] = False,
    measure: Measure | None = None,
    with_list_prices: Annotated[
        bool, Parameter(name="--list-prices", negative="--no-list-prices")
    ] = True,
    filters: RunFilters = ALL_RUNS,
    options: Options = DEFAULTS,
) -> None:
    """
    Add up tokens and cost of runs, by model unless told otherwise.

    A run costs what is stored with it; else, where the extra "prices" is installed,
    what its tokens cost by published list prices. Days and hours are in UTC. With
    --json it prints an object with the members "usage" and "cost", the summaries with
    their "groups".

    Args:
        by: What to tell apart, by default the model; may be given more than once.

        plot: Draw bars instead of a table.

        measure: What the bars show; by default cost where there is any, else tokens.

        with_list_prices: Whether to compute the cost of runs that have none.
    """
    buckets: list[TimeBucket] = []
    keys: list[UsageDimension] = []
    for key in by:
        if key == "hour" or key == "day" or key == "month":  # noqa: PLR1714 - narrows
            buckets.append(key)
        else:
            keys.append(key)
    if len(buckets) > 1:
        raise ValidationError("--by: only one of hour, day and month")
    bucket = buckets[0] if buckets else None

    async def work(ports: Ports) -> None:
        chosen = attrs.asdict(filters, recurse=False)
        usage = await ports.query.get_usage_summary(
            bucket=bucket, group_by=keys, **chosen
        )
        cost = await ports.query.get_cost_summary(
            bucket=bucket,
            group_by=keys,
            price_lookup=list_prices() if with_list_prices else None,
            **chosen,
        )
        screen = Screen()
        if options.as_json:
            screen.json({"usage": plain_json(usage), "cost": plain_json(cost)})
            return
        rows = rows_of(usage, cost, bucket, keys)
        if plot:
            print_bars(screen, rows, measure)
        else:
            print_rows(screen, rows, usage, cost, [*buckets, *keys])
        screen.flush()
        if not rows:
            say(options, "no runs")
        if cost.unmapped_runs:
            runs = f"{cost.unmapped_runs:,} of {cost.run_count:,} runs"
            say(options, f"the cost of {runs} is not known")

    on_ports(options, work)
