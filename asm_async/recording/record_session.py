"""
How a session is begun or continued, and with which status it is left.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asm_async.conventions import (
    session_cancelled,
    session_completed,
    session_created,
    session_failed,
    session_resumed,
    session_started,
)
from asm_async.errors import (
    RevisionConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    StorageBusyError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.recording.endings import code_of, message_of
from asm_async.recording.repeated_commit import checked_store, commit_repeatedly
from asm_async.recording.uninterrupted import finish, is_loop_running
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.session import Session, SessionStatus

_MAX_ATTEMPTS = 100


@asynccontextmanager
async def record_session(
    store: SessionStore, session: Session, *, complete: bool = False
) -> AsyncGenerator[Session]:
    """
    Begin a session, or continue the stored one of its id, and yield it as stored.

    A session that is not stored yet is stored as active, with its events
    ``session_created`` and ``session_started``; a pending or paused one becomes active,
    with ``session_started`` or ``session_resumed``; an active one stays as it is. Each
    is one commit. Of any number of callers that begin the same session one creates it,
    and all of them continue it: the stored values count, not the given ones.

    Unless *complete* is set, the session is left active, however the block is left, so
    that a chat can continue. The runs in it are recorded by :func:`record_run`.

    Args:
        store: Where to write to.

        session: The session, such as a new one under an id of the application's own.

        complete:
            End the session on leaving, with its event in one commit: as completed; as
            cancelled if it was cancelled; as failed for any other exception. The
            exception propagates to the caller; a note in it says if the end could not
            be written.

    Yields:
        The session as it is stored. To change it, use ``store.update_session``.

    Raises:
        ValidationError: Naming the argument that is wrong; nothing is written.

        SessionNotFoundError: If the stored session belongs to another tenant.

        SessionDeletedError: If it is soft-deleted.

        InvalidTransitionError: If it has ended.
    """
    checked_store(store)
    fields.instance(session, "session", Session)
    fields.boolean(complete, "complete")
    stored = await _begin(store, session)
    try:
        yield stored
    except BaseException as error:
        if complete and (is_loop_running() or not isinstance(error, GeneratorExit)):
            failure = await finish(_end(store, stored, error), _subject(stored))
            if failure is not None:
                error.add_note(f"{_subject(stored)} was not ended: {failure}")
        raise
    if complete:
        failure = await finish(_end(store, stored, None), _subject(stored))
        if failure is not None:
            raise failure


async def _begin(store: SessionStore, session: Session) -> Session:
    for _ in range(_MAX_ATTEMPTS):
        before = await _stored(store, session)
        if before is not None and before.status is SessionStatus.ACTIVE:
            return before
        active = (before or session).update_status(SessionStatus.ACTIVE)
        try:
            committed = await commit_repeatedly(
                store,
                Changes(session=active, events=_first_events(before, active)),
                expected_revision=0 if before is None else before.revision,
                expected_tenant=session.tenant_id,
            )
        except RevisionConflictError:
            # Somebody else has begun it, or changed it, meanwhile.
            continue
        return committed.session or active
    raise _busy(session)


async def _stored(store: SessionStore, session: Session) -> Session | None:
    try:
        stored = await store.get_session(session.id)
    except SessionNotFoundError:
        return None
    # One without a tenant is not to be had by asking for no tenant in particular.
    if stored.tenant_id != session.tenant_id:
        raise SessionNotFoundError(session.id)
    if stored.deleted_at is not None:
        raise SessionDeletedError(session.id)
    return stored


def _first_events(before: Session | None, active: Session) -> tuple[Event, ...]:
    began = session_started(session_id=active.id, timestamp=active.updated_at)
    if before is None:
        created = session_created(session_id=active.id, timestamp=active.created_at)
        return created, began
    if before.status is SessionStatus.PAUSED:
        return (session_resumed(session_id=active.id, timestamp=active.updated_at),)
    return (began,)


async def _end(
    store: SessionStore, session: Session, error: BaseException | None
) -> None:
    for _ in range(_MAX_ATTEMPTS):
        stored = await store.get_session(session.id, expected_tenant=session.tenant_id)
        if stored.status.is_over:
            return
        ended, event = _ended(stored, error)
        try:
            await commit_repeatedly(
                store,
                Changes(session=ended, events=(event,)),
                expected_revision=stored.revision,
                expected_tenant=session.tenant_id,
            )
        except RevisionConflictError:
            continue
        return
    raise _busy(session)


def _ended(session: Session, error: BaseException | None) -> tuple[Session, Event]:
    if error is None:
        ended = session.update_status(SessionStatus.COMPLETED)
        event = session_completed(session_id=session.id, timestamp=ended.updated_at)
    elif isinstance(error, Exception):
        ended = session.update_status(SessionStatus.FAILED)
        event = session_failed(
            session_id=session.id,
            error_code=code_of(error),
            error_message=message_of(error),
            timestamp=ended.updated_at,
        )
    else:
        ended = session.update_status(SessionStatus.CANCELLED)
        event = session_cancelled(
            session_id=session.id,
            reason=message_of(error),
            timestamp=ended.updated_at,
        )
    return ended, event


def _busy(session: Session) -> StorageBusyError:
    return StorageBusyError(
        f"{_subject(session)}: other writers saved it at each of {_MAX_ATTEMPTS}"
        " attempts; try again"
    )


def _subject(session: Session) -> str:
    return f"session {session.id!r}"
