"""
Followers that remember what they were given.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from asm_async.ports.event_feed import EventFeed
from asm_async.testing.history.files import HistoryWriter
from asm_async.values.event import Event

__all__ = ["record_all", "record_session"]


async def record_session(
    history: HistoryWriter, feed: EventFeed, session_id: str, *, after: int = 0
) -> AsyncGenerator[Event]:
    """
    Follow a session, and write down each event before it is given.
    """
    call = history.begin("follow_session", session_id=session_id, after=after)
    async with aclosing(feed.follow_session(session_id, after=after)) as events:
        async for event in events:
            history.step(call, event)
            yield event


async def record_all(
    history: HistoryWriter, feed: EventFeed, *, checkpoint: str | None = None
) -> AsyncGenerator[tuple[Event, str]]:
    """
    Follow all sessions, and write down each event before it is given.
    """
    call = history.begin("follow_all", checkpoint=checkpoint)
    async with aclosing(feed.follow_all(checkpoint=checkpoint)) as events:
        async for event, place in events:
            history.step(call, event)
            yield event, place
