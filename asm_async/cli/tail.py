"""
``asm tail``: events as they are appended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated

import attrs
from cyclopts import Group, Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.event_lines import event_line
from asm_async.cli.filters import OfAgent, OfTenant, OfUser
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import say
from asm_async.cli.screen import Screen
from asm_async.errors import NotFoundError, ValidationError
from asm_async.ports.together import Ports
from asm_async.values.event import Event

_LOG = logging.getLogger(__name__)

_EARLIER_EVENTS = 10


@Parameter(name="*", group=Group("Filters", sort_key=50))
@attrs.frozen(kw_only=True)
class FollowedEvents:
    """
    Which events.
    """

    types: Annotated[
        tuple[str, ...],
        Parameter(
            name="--type",
            help="Only events of this type; may be given more than once.",
            show_default=False,
        ),
    ] = ()

    agent_id: OfAgent = None

    tenant_id: OfTenant = None

    user_id: OfUser = None


ALL = FollowedEvents()
"""
All events.
"""


@attrs.define
class _Place:
    """
    How far it has come, as the option that goes on from there.
    """

    option: str = ""


def follow_events(
    session_id: str | None = None,
    /,
    *,
    last: Annotated[int | None, Parameter(alias="-n")] = None,
    after: int | None = None,
    checkpoint: str | None = None,
    until_over: Annotated[bool, Parameter(show_default=False)] = False,
    filters: FollowedEvents = ALL,
    options: Options = DEFAULTS,
) -> None:
    """
    Print events as they are appended, of one session or of all, until Ctrl-C.

    Of a session the latest 10 are printed first. At the end it reports the option with
    which it goes on from there. With --json it prints a line for each event, as it is
    exported; of all sessions, an object with the members "event" and "checkpoint".

    Args:
        session_id: Which session; all unless given.

        last: How many earlier events of the session to print first.

        after: Begin behind this sequence number of the session.

        checkpoint: Begin behind this place in the events of all sessions.

        until_over: End when the session has ended or is deleted.
    """
    given = {"--last": last, "--after": after, "--until-over": until_over or None}
    if session_id is None:
        _refuse(given, "it needs a SESSION_ID")
    else:
        of_all = {"--checkpoint": checkpoint, "--agent": filters.agent_id}
        _refuse(of_all, "it is for the events of all sessions")
        if last is not None and after is not None:
            raise ValidationError("--last and --after: only one of them")
    place = _Place()

    async def work(ports: Ports) -> None:
        screen = Screen()
        if session_id is None:
            start = checkpoint or await ports.feed.get_latest_checkpoint()
            place.option = f"--checkpoint {start}"
            _LOG.info("following all sessions")
            events_of_all = ports.feed.follow_all(
                checkpoint=start,
                types=filters.types or None,
                agent_id=filters.agent_id,
                tenant_id=filters.tenant_id,
                user_id=filters.user_id,
            )
            await _print_all(events_of_all, screen, place, options)
        else:
            begin = after
            if begin is None:
                begin = await _begin(ports, session_id, last, options)
            place.option = f"--after {begin}"
            events = ports.feed.follow_session(
                session_id,
                after=begin,
                types=filters.types or None,
                until_over=until_over,
                tenant_id=filters.tenant_id,
                user_id=filters.user_id,
            )
            await _print_session(events, screen, place, options)

    try:
        on_ports(options, work)
    except KeyboardInterrupt:
        # Nothing is broken off: it has no other end.
        say(options, f"go on with {place.option}")


def _refuse(given: Mapping[str, object], reason: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValidationError(f"{name}: {reason}")


async def _begin(
    ports: Ports, session_id: str, last: int | None, options: Options
) -> int:
    """
    Return the number behind which the latest events of a session are.
    """
    try:
        await ports.store.get_session(session_id)
    except NotFoundError as error:
        say(options, f"{error} yet; waiting for it")
        return 0
    count = _EARLIER_EVENTS if last is None else last
    earlier = await ports.store.get_events(session_id, last=count) if count else []
    if earlier:
        return earlier[0].sequence_number - 1
    return await ports.store.get_latest_sequence(session_id)


async def _print_session(
    events: AsyncGenerator[Event], screen: Screen, place: _Place, options: Options
) -> None:
    async with aclosing(events):
        async for event in events:
            if options.as_json:
                screen.json(event)
            else:
                screen.cut_line(*event_line(event))
            screen.flush()
            place.option = f"--after {event.sequence_number}"
            # A reader at the other end of a pipe may be slow, and Ctrl-C is not.
            await asyncio.sleep(0)


async def _print_all(
    events: AsyncGenerator[tuple[Event, str]],
    screen: Screen,
    place: _Place,
    options: Options,
) -> None:
    async with aclosing(events):
        async for event, checkpoint in events:
            if options.as_json:
                screen.json({"event": event.to_dict(), "checkpoint": checkpoint})
            else:
                screen.cut_line(*event_line(event, with_session=True))
            screen.flush()
            place.option = f"--checkpoint {checkpoint}"
            await asyncio.sleep(0)
