"""
A process that follows, and says "given SESSION NUMBER ID PLACE" of each event.

It takes a URL, the session to follow or "-" for all of them, and the place to begin
behind: a sequence number or a checkpoint, "-" for the beginning.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async.sql import SQLEventFeed, create_engine


async def main(url: str, session_id: str, place: str) -> None:
    """
    Follow until killed.
    """
    engine = create_engine(url)
    feed = SQLEventFeed(engine)
    if session_id == "-":
        checkpoint = None if place == "-" else place
        async for event, at in feed.follow_all(checkpoint=checkpoint):
            say(f"given {event.session_id} {event.sequence_number} {event.id} {at}")
    else:
        after = 0 if place == "-" else int(place)
        async for event in feed.follow_session(session_id, after=after):
            number = event.sequence_number
            say(f"given {event.session_id} {number} {event.id} {number}")


def say(line: str) -> None:
    """
    Tell the test, in one piece.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
