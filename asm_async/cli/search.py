"""
``asm search``: events and runs of all sessions.
"""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.event_texts import summary_of
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.pages import Limit, print_page
from asm_async.cli.run_texts import duration_of, shown_cost
from asm_async.cli.screen import Column, Screen
from asm_async.cli.times import Time, shown_time
from asm_async.ports.query_api import EventOrder, RunOrder
from asm_async.ports.together import Ports
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus

_EVENT_COLUMNS = (
    Column("session", style="cyan", is_whole=False),
    Column("number", is_number=True),
    Column("time"),
    Column("type"),
    Column("what", is_whole=False),
)
_RUN_COLUMNS = (
    Column("id", style="cyan"),
    Column("session", style="cyan", is_whole=False),
    Column("status"),
    Column("started"),
    Column("took", is_number=True),
    Column("provider", is_whole=False),
    Column("model", is_whole=False),
    Column("input", is_number=True),
    Column("output", is_number=True),
    Column("cost", is_number=True),
)
_Several = Annotated[tuple[str, ...], Parameter(show_default=False)]


def search_events(
    *,
    session: _Several = (),
    run: _Several = (),
    event_type: Annotated[
        tuple[str, ...], Parameter(name="--type", show_default=False)
    ] = (),
    provider: _Several = (),
    since: Time | None = None,
    until: Time | None = None,
    correlation_id: str | None = None,
    tenant: str | None = None,
    user: str | None = None,
    order: EventOrder = "timestamp_desc",
    limit: Limit = 100,
    cursor: str | None = None,
    count: Annotated[bool, Parameter(show_default=False)] = False,
    options: Options = DEFAULTS,
) -> None:
    """
    Find events of all sessions, the latest first.

    What may be given more than once finds any of these. Times are in UTC. With --json
    it prints an object with the members "items", the events as they are exported,
    "cursor", null on the last page, and "total_count", null; with --count and --json,
    "total_count" alone.

    Args:
        session: Only events of this session; may be given more than once.

        run: Only events of this run; may be given more than once.

        event_type: Only events of this type; may be given more than once.

        provider: Only events of this provider; may be given more than once.

        since: Only events of this time or later.

        until: Only events of an earlier time.

        correlation_id: Only events with this correlation id.

        tenant: Only events of this tenant's sessions.

        user: Only events of this user's sessions.

        order: By time, or by session and number.

        limit: How many to print at most.

        cursor: Where to go on: what the page before has ended with.

        count: Print how many there are, and nothing else.
    """

    async def work(ports: Ports) -> None:
        filters: dict[str, Any] = {
            "session_ids": session or None,
            "run_ids": run or None,
            "types": event_type or None,
            "providers": provider or None,
            "since": since,
            "until": until,
            "correlation_id": correlation_id,
            "tenant_id": tenant,
            "user_id": user,
        }
        if not count:
            page = await ports.query.search_events(
                order_by=order, limit=limit, cursor=cursor, **filters
            )
            print_page(options, page, _EVENT_COLUMNS, _event_row)
            return
        total, screen = await ports.query.count_events(**filters), Screen()
        if options.as_json:
            screen.json({"total_count": total})
        else:
            screen.line(str(total))

    on_ports(options, work)


def _event_row(event: Event) -> list[str]:
    return [
        event.session_id,
        str(event.sequence_number),
        shown_time(event.timestamp),
        event.type,
        summary_of(event),
    ]


def search_runs(
    *,
    session: str | None = None,
    agent: str | None = None,
    tenant: str | None = None,
    user: str | None = None,
    provider: str | None = None,
    status: Annotated[tuple[RunStatus, ...], Parameter(show_default=False)] = (),
    started_after: Time | None = None,
    started_before: Time | None = None,
    min_tokens: int | None = None,
    order: RunOrder = "started_at_desc",
    limit: Limit = 50,
    cursor: str | None = None,
    options: Options = DEFAULTS,
) -> None:
    """
    Find runs of all sessions, those that were started last first.

    Times are in UTC. With --json it prints an object with the members "items", the runs
    as they are exported, "cursor", null on the last page, and "total_count", null.

    Args:
        session: Only runs of this session.

        agent: Only runs of this agent's sessions.

        tenant: Only runs of this tenant's sessions.

        user: Only runs of this user's sessions.

        provider: Only runs of this provider.

        status: Only runs in this status; may be given more than once.

        started_after: Only runs started later.

        started_before: Only runs started earlier.

        min_tokens: Only runs of this many tokens or more.

        order: By which time or count.

        limit: How many to print at most.

        cursor: Where to go on: what the page before has ended with.
    """

    async def work(ports: Ports) -> None:
        page = await ports.query.search_runs(
            session_id=session,
            agent_id=agent,
            tenant_id=tenant,
            user_id=user,
            provider=provider,
            status=status or None,
            started_after=started_after,
            started_before=started_before,
            min_tokens=min_tokens,
            order_by=order,
            limit=limit,
            cursor=cursor,
        )
        print_page(options, page, _RUN_COLUMNS, _run_row)

    on_ports(options, work)


def _run_row(run: Run) -> list[str]:
    return [
        run.id,
        run.session_id,
        run.status.value,
        shown_time(run.started_at),
        duration_of(run),
        run.provider or "",
        run.model or "",
        f"{run.input_tokens:,}" if run.token_usage else "",
        f"{run.output_tokens:,}" if run.token_usage else "",
        "" if run.cost_usd is None else shown_cost(run.cost_usd),
    ]
