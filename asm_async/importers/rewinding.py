"""
Hiding what a source took back.
"""

from __future__ import annotations

from asm_async.ports.session_store import SessionStore
from asm_async.values.event import EVENTS_RETRACTED, Event

_EVENTS_PER_READ = 500


async def numbers_taken_back(
    store: SessionStore, session_id: str, event_id: str, *, kind: str
) -> list[tuple[int, int]]:
    """
    Return what a source takes back of a session, as first and last numbers.

    What others have appended in between is left out.

    Args:
        store: What is stored.

        session_id: The session.

        event_id: The last event that stays; an empty text if none does.

        kind: The kind of source, by which its events are known.

    Returns:
        The ranges, in order; none if the event is not stored.
    """
    after = 0
    if event_id:
        found = await store.get_events(session_id, ids=[event_id])
        if not found:
            return []
        after = found[0].sequence_number
    ranges: list[tuple[int, int]] = []
    is_open = False
    while events := await store.get_events(
        session_id, after=after, limit=_EVENTS_PER_READ
    ):
        for event in events:
            after = event.sequence_number
            if not is_of(event, kind):
                is_open = False
            elif is_open:
                ranges[-1] = (ranges[-1][0], after)
            else:
                ranges.append((after, after))
                is_open = True
    return ranges


def is_of(event: Event, kind: str) -> bool:
    """
    Return whether an event was imported from this kind of source, or may be hidden too.
    """
    # A retraction between two events of the source may be hidden with them.
    return event.type == EVENTS_RETRACTED or event.id.startswith(
        (f"{kind}/", f"{kind}.")
    )
