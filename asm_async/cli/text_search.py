"""
``asm search text`` and ``asm search index``: what was said, and the index of it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import attrs
from cyclopts import Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.filters import OfAgent, OfTenant, OfUser
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.pages import Limit, print_page
from asm_async.cli.reports import say
from asm_async.cli.running_report import RunningReport
from asm_async.cli.screen import Column
from asm_async.cli.times import Time, shown_time
from asm_async.conventions import Role
from asm_async.fronts.text_search import text_search_of
from asm_async.ports.text_search import TextOrder, TextSearch
from asm_async.ports.together import Ports
from asm_async.values.text_match import IndexLag, TextMatch

_COLUMNS = (
    Column("session", style="cyan", is_whole=False),
    Column("number", is_number=True),
    Column("time"),
    Column("type"),
    Column("text", is_whole=False),
)


def search_text(
    query: Annotated[str, Parameter(metavar="QUERY", allow_leading_hyphen=True)],
    /,
    *,
    session: str | None = None,
    agent: OfAgent = None,
    tenant: OfTenant = None,
    user: OfUser = None,
    event_type: Annotated[
        tuple[str, ...], Parameter(name="--type", show_default=False)
    ] = (),
    role: Annotated[tuple[Role, ...], Parameter(show_default=False)] = (),
    since: Time | None = None,
    until: Time | None = None,
    order: TextOrder = "relevance",
    limit: Limit = 20,
    cursor: str | None = None,
    options: Options = DEFAULTS,
) -> None:
    """
    Find what was said, in messages, tool calls, results, errors and titles.

    A query is words that must all be in one text, "a phrase", -without, prefix* and
    *part*: quote it for the shell. Found is what was indexed: see `asm search index`.
    With --json it prints an object with the members "items", the matches with their
    "session", "event", "snippet" and "rank", "cursor", null on the last page, and
    "total_count", null.

    Args:
        query: What to look for.

        session: Only what was said in this session.

        event_type: Only events of this type; may be given more than once.

        role: Only what this role has said; may be given more than once.

        since: Only what was said at this time or later.

        until: Only what was said earlier.

        order: The best first, or the latest.

        limit: How many to print at most.

        cursor: Where to go on: what the page before has ended with.
    """

    async def work(ports: Ports) -> None:
        search = text_search_of(ports)
        page = await search.search_text(
            query,
            session_id=session,
            agent_id=agent,
            tenant_id=tenant,
            user_id=user,
            types=event_type or None,
            roles=role or None,
            since=since,
            until=until,
            order_by=order,
            limit=limit,
            cursor=cursor,
        )
        print_page(options, page, _COLUMNS, _row)
        lag = await search.lag()
        if not lag.is_up_to_date:
            say(
                options,
                f"{lag.pending_events:,} events are not indexed yet: asm search index",
            )

    on_ports(options, work)


def _row(match: TextMatch) -> list[str]:
    event = match.event
    return [
        match.session.id,
        "" if event is None else str(event.sequence_number),
        shown_time(match.session.created_at if event is None else event.timestamp),
        "title" if event is None else event.type,
        match.snippet.marked("[", "]"),
    ]


@attrs.frozen
class _Indexed:
    """
    How much was indexed, and how much is left.
    """

    events_indexed: int
    events_pending: int


def update_index(
    *,
    rebuild: Annotated[bool, Parameter(show_default=False)] = False,
    follow: Annotated[bool, Parameter(show_default=False, alias="-f")] = False,
    options: Options = DEFAULTS,
) -> None:
    """
    Index what was said since the index was brought up to date last.

    It can be stopped with Ctrl-C and goes on where it ended; several may run at once.
    With --json it prints an object of counts: "events_indexed" and "events_pending".

    Args:
        rebuild: Remove what is indexed first, and begin with the first event.

        follow: Go on for as long as it is let.
    """
    running = RunningReport(options, _Indexed(0, 0), _sentence)

    async def work(ports: Ports) -> None:
        search = text_search_of(ports)
        if rebuild:
            await search.clear()
        try:
            await _update(search, running)
        finally:
            running.finish()
        if follow:
            async with search.following():
                await asyncio.get_running_loop().create_future()

    try:
        on_ports(options, work)
    except KeyboardInterrupt:
        # A follower has no other end.
        if not follow:
            raise


async def _update(search: TextSearch, running: RunningReport[_Indexed]) -> None:
    before: int | None = None

    def show(lag: IndexLag) -> None:
        nonlocal before
        before = lag.pending_events if before is None else before
        running.show(_Indexed(before - lag.pending_events, lag.pending_events))

    count = await search.update(progress=show)
    running.done = _Indexed(count, (await search.lag()).pending_events)


def _sentence(done: _Indexed) -> str:
    return f"indexed {done.events_indexed:,} events; {done.events_pending:,} are left"
