"""
What of a session's events is hidden.
"""

from __future__ import annotations

from asm_async.memory.database import InMemoryDatabase
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.retraction import Ranges, hidden_ranges


def latest_retraction(database: InMemoryDatabase, session_id: str) -> Event | None:
    """
    Return the event that says what is hidden of a session, if there is one.
    """
    stored = database.events.get(session_id, {}).values()
    latest_first = reversed(stored)
    return next((each for each in latest_first if each.type == EVENTS_RETRACTED), None)


def hidden_of(database: InMemoryDatabase, session_id: str) -> Ranges:
    """
    Return the numbers of a session's hidden events.
    """
    latest = latest_retraction(database, session_id)
    return () if latest is None else hidden_ranges(latest.data)
