"""
How ADK's sessions are written: each time all or nothing, in one commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event as AdkEvent
from google.adk.sessions.session import Session

from asm_async import errors
from asm_async.conventions import session_created
from asm_async.integrations.google_adk.markers import find_sequence
from asm_async.integrations.google_adk.records import events_of, time_of, with_run
from asm_async.integrations.google_adk.runs import (
    Invocation,
    find_invocation,
    run_after,
)
from asm_async.integrations.google_adk.state import Update, items_of
from asm_async.integrations.records.adk_names import SessionName
from asm_async.ports.session_store import SessionStore
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.state_item import StateItem

_MAX_ATTEMPTS = 20


@attrs.frozen
class AppendedEvent:
    """
    An event of ADK that is to be appended to a session, checked.
    """

    name: SessionName
    event: AdkEvent
    events: tuple[Event, ...]
    items: tuple[StateItem, ...]

    @classmethod
    def of(cls, session: Session, event: AdkEvent) -> AppendedEvent:
        """
        Check an event and the state that it changes.

        Raises:
            ValidationError: Naming what cannot be stored.
        """
        name = SessionName(session.app_name, session.user_id, session.id)
        state: Mapping[str, Any] = event.actions.state_delta or {}
        items = items_of(name, state, "event.actions.state_delta")
        events = tuple(events_of(name.id, event))
        update = Update(event.timestamp, events[-1].id)
        return cls(name, event, events, (*items, update.item(name)))


async def append(ports: Ports, session: Session, appended: AppendedEvent) -> int:
    """
    Append an event and save the state that it changes, if the session is up to date.

    Returns:
        The latest sequence number that the session then has seen.

    Raises:
        SessionNotFoundError: ADK's, if there is no such session.

        StaleSessionError: If others have written to the session since it was read.
    """
    name = appended.name
    try:
        seen = await find_sequence(ports, name, session)
        if seen is None:
            raise _stale(name)
        return await _append_at(ports.store, appended, seen)
    except errors.SequenceConflictError as error:
        raise _stale(name) from error
    except (errors.SessionNotFoundError, errors.SessionDeletedError) as error:
        raise SessionNotFoundError(f"Session {name.session_id} not found.") from error


async def _append_at(store: SessionStore, appended: AppendedEvent, seen: int) -> int:
    session_id, event = appended.name.id, appended.event
    for attempt in range(_MAX_ATTEMPTS):
        invocation = await find_invocation(store, session_id, event.invocation_id)
        run_id = None if invocation is None else invocation.run_id
        changes = Changes(
            events=with_run(appended.events, run_id), items=appended.items
        )
        try:
            return await _commit(store, changes, invocation, event, seen)
        except (errors.SequenceConflictError, errors.EventConflictError):
            raise
        except errors.ConflictError:
            # Others have saved the run, or its id in another session.
            if attempt == _MAX_ATTEMPTS - 1:
                raise
    raise AssertionError


async def _commit(
    store: SessionStore,
    changes: Changes,
    invocation: Invocation | None,
    event: AdkEvent,
    seen: int,
) -> int:
    run = (
        None
        if invocation is None
        else run_after(invocation, changes.events[0].session_id, event)
    )
    if invocation is not None and run is not None and run != invocation.run:
        try:
            committed = await store.commit(
                attrs.evolve(changes, runs=(run,)),
                expected_sequence=seen,
                expected_revisions=invocation.expected_revisions,
            )
            return committed.events[-1].sequence_number
        except errors.SequenceConflictError:
            # What follows writes nothing. It succeeds if this very event was appended
            # before, by a call whose outcome its caller did not learn.
            pass
    committed = await store.commit(changes, expected_sequence=seen)
    return committed.events[-1].sequence_number


async def create(
    store: SessionStore,
    name: SessionName,
    state: Mapping[str, Any],
    *,
    update_time: float,
    history: Sequence[AdkEvent] = (),
) -> int:
    """
    Create a session with a state and, if it comes from elsewhere, its events.

    Returns:
        The latest sequence number that the session then has.

    Raises:
        AlreadyExistsError: If there is one of this name, or there was and it is only
            soft-deleted.
    """
    begun_at = history[0].timestamp if history else update_time
    stored = name.new_session(time_of(begun_at, "event.timestamp"))
    # The number of this event tells the session from an earlier one of its name.
    events = [session_created(session_id=name.id, timestamp=stored.created_at)]
    invocations: dict[str, Invocation] = {}
    for event in history:
        run_id = None
        key = event.invocation_id
        known = invocations.get(key) or await find_invocation(store, name.id, key)
        if known is not None:
            run = run_after(known, name.id, event)
            invocations[key] = Invocation(known.run_id, run)
            run_id = known.run_id
        events += with_run(events_of(name.id, event), run_id)
    update = Update(update_time, events[-1].id)
    changes = Changes(
        session=stored,
        events=tuple(events),
        runs=tuple(each.run for each in invocations.values() if each.run),
        items=(*items_of(name, state, "state"), update.item(name)),
    )
    try:
        committed = await store.commit(changes, expected_revision=0)
    except (errors.RevisionConflictError, errors.SessionDeletedError) as error:
        raise AlreadyExistsError(
            f"Session with id {name.session_id} already exists."
        ) from error
    return committed.events[-1].sequence_number


def _stale(name: SessionName) -> StaleSessionError:
    return StaleSessionError(
        f"The session {name.session_id!r} has been modified in storage since it was"
        " loaded: get it again, and append the event to the new one"
    )
