"""
Watch events as they are appended, by whatever process.

    python examples/follow.py                          the session that began last
    python examples/follow.py --session SESSION_ID     this one, until it is over
    python examples/follow.py --all                    all sessions, from now on

Start it in one terminal and write in another, for instance with
``examples/record_conversations.py``. Each event is a line: session, number, type and
the beginning of what it says. ``--limit`` ends it after so many events, Ctrl-C at once.

The exit code is 0, or 1 if the database fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

from asm_async import Event, errors
from asm_async.sql import SQLEventFeed, SQLQueryAPI, create_engine, migrations

WIDTH = 60


def line_of(event: Event) -> str:
    """
    Return an event as one line.
    """
    data = event.data
    what = data.get("content") or data.get("tool_output") or data
    said = json.dumps(what, ensure_ascii=False)
    shortened = said if len(said) <= WIDTH else f"{said[: WIDTH - 3]}..."
    return f"{event.session_id} {event.sequence_number:>5} {event.type} {shortened}"


async def events_of_all(feed: SQLEventFeed) -> AsyncGenerator[Event]:
    """
    Follow all sessions, from now on.
    """
    checkpoint = await feed.get_latest_checkpoint()
    async with aclosing(feed.follow_all(checkpoint=checkpoint)) as following:
        async for event, _ in following:
            yield event


async def newest_session(feed: SQLEventFeed) -> str:
    """
    Find the session that began last, or wait for the first one to write something.
    """
    page = await SQLQueryAPI(feed.engine).search_sessions(
        order_by="created_at_desc", limit=1
    )
    if page.items:
        return page.items[0].id
    async with aclosing(feed.follow_all()) as following:
        event, _ = await anext(following)
        return event.session_id


async def choose(
    feed: SQLEventFeed, options: argparse.Namespace
) -> AsyncGenerator[Event]:
    """
    Return an iterator over the events that were asked for.
    """
    if options.all:
        return events_of_all(feed)
    session_id = options.session or await newest_session(feed)
    return feed.follow_session(session_id, after=options.after, until_over=True)


async def show(options: argparse.Namespace) -> None:
    """
    Print events until there are enough, or the session is over.
    """
    engine = create_engine(options.url)
    try:
        await migrations.upgrade(engine)
        feed = SQLEventFeed(engine)
        shown = 0
        print("following", file=sys.stderr, flush=True)
        async with aclosing(await choose(feed, options)) as following:
            async for event in following:
                print(line_of(event), flush=True)
                shown += 1
                if shown == options.limit:
                    break
        await feed.aclose()
    finally:
        await engine.dispose()


def main() -> int:
    """
    Read the command line, and take Ctrl-C for an answer.
    """
    parser = argparse.ArgumentParser(description="Watch events as they are appended.")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--session", help="the id of the session to follow")
    whom.add_argument("--all", action="store_true", help="follow all sessions")
    parser.add_argument(
        "--after", type=int, default=0, help="begin behind this sequence number"
    )
    parser.add_argument("--limit", type=int, help="end after so many events")
    parser.add_argument(
        "--url",
        default="sqlite+aiosqlite:///conversations.sqlite3",
        help="the database (default: %(default)s)",
    )
    try:
        asyncio.run(show(parser.parse_args()))
    except errors.ASMError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
