"""
What a session object has seen of the store, in the marker that ADK has in it.
"""

from __future__ import annotations

import re

from google.adk.sessions.session import Session

from asm_async.integrations.google_adk.reading import read_last_event_id
from asm_async.integrations.records.adk_names import UPDATE_KEY, SessionName
from asm_async.ports.together import Ports

_MARKER = "_storage_update_marker"
_NUMBER = re.compile(r"[0-9]{1,16}")
_UPDATE = re.compile(r"update ([0-9]{1,16})")


def mark_seen(session: Session, sequence_number: int) -> None:
    """
    Remember in a session object that it has seen the events up to a number.
    """
    setattr(session, _MARKER, str(sequence_number))


def mark_listed(session: Session, update_revision: int) -> None:
    """
    Remember in a session object, which has no events, which update of it was seen.
    """
    setattr(session, _MARKER, f"update {update_revision}")


def sequence_seen(session: Session) -> int | None:
    """
    Return the latest sequence number that a session object has seen.

    Returns:
        None if it was listed, made of JSON, or comes from another service.
    """
    match = _NUMBER.fullmatch(_marker_of(session))
    return int(match[0]) if match else None


async def find_sequence(
    ports: Ports, name: SessionName, session: Session
) -> int | None:
    """
    Return the session's latest sequence number if *session* is up to date.

    What was listed is, if nobody has updated the session since; what has no marker is,
    if its last event is the last that is stored.

    Returns:
        None if it is not.
    """
    seen = sequence_seen(session)
    if seen is not None:
        return seen
    # The number comes first: who writes after it has the append refused.
    latest = await ports.store.get_latest_sequence(name.id)
    if not latest:
        return latest
    if listed := _UPDATE.fullmatch(_marker_of(session)):
        items = await ports.state.get_items(name.id, [UPDATE_KEY])
        revision = items[UPDATE_KEY].revision if items else None
        return latest if revision == int(listed[1]) else None
    known = session.events[-1].id if session.events else None
    return latest if known == await read_last_event_id(ports.store, name.id) else None


def _marker_of(session: Session) -> str:
    marker = getattr(session, _MARKER)
    return marker if isinstance(marker, str) else ""
