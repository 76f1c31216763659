"""
How ADK's sessions are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from google.adk.events.event import Event as AdkEvent
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session
from google.adk.sessions.state import State

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.integrations.google_adk.names import SessionName, text_for
from asm_async.integrations.google_adk.records import adk_events_of, time_of
from asm_async.integrations.google_adk.state import state_of, update_time_in
from asm_async.ports.query_api import MAX_PAGE_SIZE
from asm_async.ports.session_store import SessionStore
from asm_async.ports.together import Ports
from asm_async.values.session import Session as StoredSession

_MARKER = "_storage_update_marker"
_MAX_READS = 5
_SESSIONS_AT_ONCE = 16
_MIN_WINDOW, _MAX_WINDOW = 32, 4_096


def sequence_seen(session: Session) -> int | None:
    """
    Return the latest sequence number that a session of ADK was read or written at.

    Returns:
        None if it does not come from this service, or was made of JSON.
    """
    marker = getattr(session, _MARKER)
    is_ours = isinstance(marker, str) and marker.isascii() and marker.isdecimal()
    return int(marker) if is_ours else None


def set_sequence_seen(session: Session, sequence_number: int) -> None:
    """
    Remember in a session of ADK which events it has seen.
    """
    setattr(session, _MARKER, str(sequence_number))


async def read_session(
    ports: Ports, name: SessionName, config: GetSessionConfig | None
) -> Session | None:
    """
    Return the session with its state and the events that *config* asks for.

    Returns:
        None if there is none, or it was deleted.
    """
    session = await _read_own(ports, name, config)
    for _ in range(_MAX_READS):
        if session is None or await _is_current(ports.store, name, session):
            break
        session = await _read_own(ports, name, config)
    # What is not current after so many attempts is refused when it is written to.
    if session is None:
        return None
    session.state |= await read_app_state(ports, name.app_name)
    session.state |= await read_user_state(ports, name.app_name, name.user_id)
    return session


async def list_sessions(
    ports: Ports, app_name: str, user_id: str | None
) -> list[Session]:
    """
    Return an app's sessions, or a user's in it, without events.

    They are in the order of their last update, then of their users and ids.
    """
    names = [
        (name, stored)
        async for stored in _stored_sessions(ports, app_name, user_id)
        if (name := SessionName.of_stored(stored)) is not None
    ]
    app_state = await read_app_state(ports, app_name)
    users = {name.user_id for name, _ in names}
    user_states = {
        user: await read_user_state(ports, app_name, user) for user in sorted(users)
    }
    sessions: list[Session] = []
    for start in range(0, len(names), _SESSIONS_AT_ONCE):
        several = names[start : start + _SESSIONS_AT_ONCE]
        reads = [_listed(ports, name, stored) for name, stored in several]
        sessions += await asyncio.gather(*reads)
    for session in sessions:
        session.state |= app_state | user_states[session.user_id]
    return sorted(sessions, key=lambda s: (s.last_update_time, s.user_id, s.id))


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


async def _read_own(
    ports: Ports, name: SessionName, config: GetSessionConfig | None
) -> Session | None:
    # The number comes first: a session that is older than it says would not be refused.
    latest = await ports.store.get_latest_sequence(name.id)
    try:
        stored = await ports.store.get_session(name.id)
    except SessionNotFoundError:
        return None
    if stored.deleted_at is not None:
        return None
    events = await _read_events(ports.store, name.id, config, latest)
    session = await _with_own_state(ports, name, stored)
    session.events = events
    set_sequence_seen(session, latest)
    return session


async def _is_current(store: SessionStore, name: SessionName, session: Session) -> bool:
    """
    Return whether nothing was written while a session's parts were read.
    """
    return await store.get_latest_sequence(name.id) == sequence_seen(session)


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


async def _listed(ports: Ports, name: SessionName, stored: StoredSession) -> Session:
    # The number comes first here, too.
    latest = await ports.store.get_latest_sequence(name.id)
    session = await _with_own_state(ports, name, stored)
    set_sequence_seen(session, latest)
    return session


async def _with_own_state(
    ports: Ports, name: SessionName, stored: StoredSession
) -> Session:
    items = await ports.state.list_items(name.id)
    updated = update_time_in(items)
    return Session(
        id=name.session_id,
        app_name=name.app_name,
        user_id=name.user_id,
        state=state_of(items),
        last_update_time=stored.updated_at.timestamp() if updated is None else updated,
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
