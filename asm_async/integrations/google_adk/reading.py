"""
How ADK's sessions are read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from google.adk.events.event import Event as AdkEvent
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session
from google.adk.sessions.state import State

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.integrations.google_adk.records import (
    adk_events_of,
    is_adk_event,
    time_of,
)
from asm_async.integrations.google_adk.state import state_of, update_in
from asm_async.integrations.records.adk_names import UPDATE_KEY, SessionName, text_for
from asm_async.ports.query_api import MAX_PAGE_SIZE
from asm_async.ports.session_store import SessionStore
from asm_async.ports.together import Ports
from asm_async.values.session import Session as StoredSession
from asm_async.values.state_item import StateItem

_MIN_WINDOW, _MAX_WINDOW = 32, 4_096


@attrs.frozen
class ReadSession:
    """
    A session, and which number of its log it was read at.
    """

    session: Session
    latest: int


async def read_session(
    ports: Ports, name: SessionName, config: GetSessionConfig | None
) -> ReadSession | None:
    """
    Return the session with its state and the events that *config* asks for.

    Returns:
        None if there is none, or it was deleted.
    """
    items = await ports.state.list_items(name.id)
    stored = await _find_stored(ports.store, name)
    if stored is None:
        return None
    latest = await _sequence_of(ports.store, name, items)
    if latest is None:
        # The number comes first: what is older than it says would not be refused.
        latest = await ports.store.get_latest_sequence(name.id)
        items = await ports.state.list_items(name.id)
    session = _session_of(name, stored, items)
    session.events = await _read_events(ports.store, name.id, config, latest)
    session.state |= await read_app_state(ports, name.app_name)
    session.state |= await read_user_state(ports, name.app_name, name.user_id)
    return ReadSession(session, latest)


async def list_sessions(
    ports: Ports, app_name: str, user_id: str | None
) -> list[tuple[Session, int]]:
    """
    Return an app's sessions, or a user's in it, without events.

    They are in the order of their last update, then of their users and ids; each comes
    with the revision of the item that tells of it.
    """
    names = [
        (name, stored)
        async for stored in _stored_sessions(ports, app_name, user_id)
        if (name := SessionName.of_stored(stored)) is not None
    ]
    app_state = await read_app_state(ports, app_name)
    shared = {
        user: app_state | await read_user_state(ports, app_name, user)
        for user in {name.user_id for name, _ in names}
    }
    # One after the other: many at once would open connections for each other.
    listed = [await _listed(ports, name, stored) for name, stored in names]
    for session, _ in listed:
        session.state |= shared[session.user_id]
    return sorted(
        listed, key=lambda each: (each[0].last_update_time, each[0].user_id, each[0].id)
    )


async def read_app_state(ports: Ports, app_name: str) -> dict[str, Any]:
    """
    Return the state that an app's sessions share, with its prefix.
    """
    scope = SessionName(app_name, "", "").app_scope
    return state_of(await ports.state.list_items(scope), State.APP_PREFIX)


async def read_user_state(
    ports: Ports, app_name: str, user_id: str, *, prefix: str = State.USER_PREFIX
) -> dict[str, Any]:
    """
    Return the state that a user's sessions of an app share.
    """
    scope = SessionName(app_name, user_id, "").user_scope
    return state_of(await ports.state.list_items(scope), prefix)


async def read_last_event_id(store: SessionStore, session_id: str) -> str | None:
    """
    Return the id that ADK's last event in a session has there; None if it has none.
    """
    config = GetSessionConfig(num_recent_events=1)
    events = await _read_events(store, session_id, config, None)
    return events[-1].id if events else None


async def _find_stored(store: SessionStore, name: SessionName) -> StoredSession | None:
    try:
        stored = await store.get_session(name.id)
    except SessionNotFoundError:
        return None
    return stored if stored.deleted_at is None else None


async def _sequence_of(
    store: SessionStore, name: SessionName, items: Sequence[StateItem]
) -> int | None:
    """
    Return the number of the log that goes with a session's own state.

    Returns:
        None if nothing tells: the last event was pruned, or not copied.
    """
    update = update_in(items)
    last = None
    if update is not None:
        last = await store.get_events(name.id, ids=[update.last_event_id])
    if not last:
        return None
    number = last[0].sequence_number
    if await store.get_latest_sequence(name.id) == number:
        return number
    # What others append, such as a retraction, is seen, too; what ADK does is not.
    for event in await store.get_events(name.id, after=number):
        if is_adk_event(event):
            break
        number = event.sequence_number
    return number


async def _stored_sessions(
    ports: Ports, app_name: str, user_id: str | None
) -> AsyncIterator[StoredSession]:
    cursor: str | None = None
    while True:
        page = await ports.query.search_sessions(
            agent_id=text_for(app_name),
            user_id=None if user_id is None else text_for(user_id),
            with_context=False,
            # The last activity would move sessions from page to page.
            order_by="created_at_asc",
            limit=MAX_PAGE_SIZE,
            cursor=cursor,
        )
        for session in page:
            yield session
        cursor = page.cursor
        if cursor is None:
            return


async def _listed(
    ports: Ports, name: SessionName, stored: StoredSession
) -> tuple[Session, int]:
    items = await ports.state.list_items(name.id)
    revisions = [item.revision for item in items if item.key == UPDATE_KEY]
    return _session_of(name, stored, items), max(revisions, default=0)


def _session_of(
    name: SessionName, stored: StoredSession, items: Sequence[StateItem]
) -> Session:
    update = update_in(items)
    return Session(
        id=name.session_id,
        app_name=name.app_name,
        user_id=name.user_id,
        state=state_of(items),
        last_update_time=update.time if update else stored.updated_at.timestamp(),
    )


async def _read_events(
    store: SessionStore,
    session_id: str,
    config: GetSessionConfig | None,
    latest: int | None,
) -> list[AdkEvent]:
    """
    Return ADK's events up to the number *latest* that *config* asks for.
    """
    wanted = None if config is None else config.num_recent_events
    earliest = None if config is None else config.after_timestamp
    if wanted == 0:
        return []
    size = None if wanted is None else min(max(2 * wanted, _MIN_WINDOW), _MAX_WINDOW)
    before = None if latest is None else latest + 1
    found: list[AdkEvent] = []
    while wanted is None or len(found) < wanted:
        events = await store.get_events(
            session_id,
            visible_only=True,
            since=_since(earliest),
            before=before,
            last=size,
        )
        read = adk_events_of(events)
        found = [e for e in read if earliest is None or e.timestamp >= earliest] + found
        if size is None or len(events) < size:
            break
        before = events[0].sequence_number
    return found if wanted is None else found[-wanted:]


def _since(timestamp: float | None) -> datetime | None:
    """
    Return a time before which no event is that has the *timestamp* or a later one.
    """
    if timestamp is None:
        return None
    try:
        # Times are stored to the microsecond, and compared as numbers when read.
        return time_of(timestamp, "after_timestamp") - timedelta(microseconds=1)
    except (ValidationError, OverflowError):
        return None
