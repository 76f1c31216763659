"""
``asm show``: what was said and done in a session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import attrs
from cyclopts import Group, Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.event_lines import event_line
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import say
from asm_async.cli.run_texts import shown_cost
from asm_async.cli.screen import Screen
from asm_async.cli.styles import QUIET, status_of
from asm_async.cli.times import shown_time
from asm_async.cli.transcript_entries import entries_of
from asm_async.cli.transcript_printer import TranscriptPrinter
from asm_async.ports.together import Ports
from asm_async.transcripts import transcript_of
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.plain_value import plain_json
from asm_async.values.retraction import RETRACTIONS, Ranges, hidden_ranges, is_hidden
from asm_async.values.session import Session

_PAGE_SIZE = 1_000


@Parameter(name="*", group=Group("Ranges", sort_key=50))
@attrs.frozen(kw_only=True)
class EventRange:
    """
    Which events of a session.
    """

    after: Annotated[
        int | None, Parameter(help="Only events behind this sequence number.")
    ] = None

    before: Annotated[
        int | None, Parameter(help="Only events before this sequence number.")
    ] = None

    last: Annotated[
        int | None, Parameter(alias="-n", help="Only so many events, the latest.")
    ] = None

    run: Annotated[str | None, Parameter(help="Only events of this run.")] = None

    @property
    def is_all(self) -> bool:
        """
        Whether every event is chosen.
        """
        return self == ALL_EVENTS

    async def pages(self, ports: Ports, session_id: str) -> AsyncIterator[list[Event]]:
        """
        Yield the events of a session in pages, oldest first.
        """
        after = self.after
        if self.last is not None:
            yield await ports.store.get_events(
                session_id,
                run_id=self.run,
                after=after,
                before=self.before,
                last=self.last,
            )
            return
        while True:
            page = await ports.store.get_events(
                session_id,
                run_id=self.run,
                after=after,
                before=self.before,
                limit=_PAGE_SIZE,
            )
            yield page
            if len(page) < _PAGE_SIZE:
                return
            after = page[-1].sequence_number


ALL_EVENTS = EventRange()
"""
All events of a session.
"""


def show_session(
    session_id: str,
    /,
    *,
    events: Annotated[bool, Parameter(show_default=False)] = False,
    hidden: Annotated[bool, Parameter(show_default=False)] = False,
    chosen: EventRange = ALL_EVENTS,
    options: Options = DEFAULTS,
) -> None:
    """
    Print what was said and done in a session, oldest first.

    Times are in UTC. With --json it prints an object with the members "session",
    "runs", as they are exported, and "messages", the transcript; with --events and
    --json a line for each event, as it is exported, without the rest.

    Args:
        session_id: Which session.

        events: Print the log as it is, event by event, also what was retracted.

        hidden: Also print what was retracted.
    """

    async def work(ports: Ports) -> None:
        session = await ports.store.get_session(session_id)
        screen = Screen()
        if events:
            await _print_log(ports, session, chosen, screen, as_json=options.as_json)
            return
        latest = await ports.store.get_events(
            session_id, correlation_id=RETRACTIONS, last=1
        )
        ranges = hidden_ranges(latest[0].data) if latest else ()
        found = [
            event async for page in chosen.pages(ports, session_id) for event in page
        ]
        runs = await ports.store.list_runs(session_id)
        if chosen.run is not None:
            runs = [run for run in runs if run.id == chosen.run]
        if options.as_json:
            told = _told(found, () if hidden else ranges)
            messages = transcript_of(told, session_id=session_id).messages
            screen.json(
                {
                    "session": session.to_dict(),
                    "runs": [run.to_dict() for run in runs],
                    "messages": plain_json(messages),
                }
            )
            return
        await _print_heading(ports, session, screen)
        printer = TranscriptPrinter(screen=screen, runs={run.id: run for run in runs})
        printer.print(entries_of(found, ranges, with_hidden=hidden))
        if chosen.is_all or chosen.run is not None:
            printer.print_silent_runs()
        screen.flush()
        if not found:
            say(options, "no events")

    on_ports(options, work)


def _told(events: list[Event], hidden: Ranges) -> list[Event]:
    # Without the retractions, which would hide from a transcript what is asked for.
    return [
        event
        for event in events
        if event.type != EVENTS_RETRACTED
        and not is_hidden(event.sequence_number, hidden)
    ]


async def _print_log(
    ports: Ports,
    session: Session,
    chosen: EventRange,
    screen: Screen,
    *,
    as_json: bool,
) -> None:
    async for page in chosen.pages(ports, session.id):
        for event in page:
            if as_json:
                screen.json(event)
            else:
                screen.cut_line(*event_line(event))


async def _print_heading(ports: Ports, session: Session, screen: Screen) -> None:
    stats = await ports.query.get_session_stats(session.id)
    cost = await ports.query.get_cost_summary(session_id=session.id)
    tokens = stats.token_totals
    lines = {
        "session": session.id,
        "status": status_of(session),
        "agent": session.agent_id,
        "user": session.user_id,
        "tenant": session.tenant_id,
        "tags": ", ".join(session.tags),
        "parent": session.parent_session_id,
        "created": shown_time(session.created_at),
        "last activity": shown_time(session.last_activity_at),
        "events": f"{stats.event_count:,}",
        "runs": f"{stats.run_count:,}",
        "tokens": f"{tokens.input_tokens:,} in, {tokens.output_tokens:,} out"
        if tokens.total_tokens
        else None,
        "cost": shown_cost(cost.total_cost_usd) if cost.total_cost_usd else None,
    }
    for name, value in lines.items():
        if value:
            screen.line((name.ljust(15), QUIET), value)
    screen.line()
