"""
ADK's session service over the ports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

import attrs
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.events.event import Event
from google.adk.platform import time as adk_time
from google.adk.platform import uuid as adk_uuid
from google.adk.sessions.base_session_service import (
    BaseSessionService,
    GetSessionConfig,
    ListSessionsResponse,
)
from google.adk.sessions.session import Session
from typing_extensions import override

from asm_async.errors import ConflictError, SessionDeletedError, ValidationError
from asm_async.integrations.google_adk.markers import mark_listed, mark_seen
from asm_async.integrations.google_adk.reading import (
    list_sessions,
    read_session,
    read_user_state,
)
from asm_async.integrations.google_adk.records import time_of
from asm_async.integrations.google_adk.writing import AppendedEvent, append, create
from asm_async.integrations.records.adk_names import SessionName
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports


class AsmSessionService(BaseSessionService):
    """
    Sessions of ADK in the store, with their events, their state and their runs.

    An event, the state that it changes and the run of its invocation are written in one
    commit. A session object that others have overtaken is refused with ADK's
    ``StaleSessionError``, whatever their clocks say and in whichever process they are;
    concurrent appends of one session object are done one after the other.

    Each key of the state is an item of its own, so that two sessions which change
    different keys of ``app:`` or ``user:`` state lose nothing of each other.

    Args:
        ports: Ordinary ports, for one event loop, or those of a portal, for any.
    """

    def __init__(self, ports: Ports) -> None:
        self._runner = PortsRunner(ports)
        self._turns: dict[tuple[int, int], _Turn] = {}

    @classmethod
    def from_url(cls, url: str, *, migrate: bool = True, timeout: float = 30.0) -> Self:
        """
        Return a service over a database, for any thread and event loop.

        It is open until :meth:`close`, or until the process ends.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            timeout: As for :func:`~asm_async.open_ports`.
        """
        return open_adapter(url, cls, migrate=migrate, timeout=timeout)

    @override
    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        """
        Create a session; ``app:`` and ``user:`` keys of *state* are for all who share.

        Raises:
            AlreadyExistsError: If the user has a session of this id in the app.

            ValidationError: Naming what cannot be stored.
        """
        name = SessionName(app_name, user_id, session_id or adk_uuid.new_uuid())
        created = partial(
            self._do_create, name, state or {}, update_time=adk_time.get_time()
        )
        return await self._runner.run(created)

    @override
    async def get_session(
        self,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        config: GetSessionConfig | None = None,
    ) -> Session | None:
        """
        Return a session in the state of one moment; None if there is none.

        With *config*, of the events not before ``after_timestamp`` the last
        ``num_recent_events``.
        """
        name = SessionName(app_name, user_id, session_id)
        return await self._runner.run(partial(self._do_get, name, config))

    @override
    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None
    ) -> ListSessionsResponse:
        """
        Return all sessions of the app, or the user's, with their state, without events.

        The one that was updated last comes last.
        """
        listed = partial(self._do_list, app_name, user_id)
        return ListSessionsResponse(sessions=await self._runner.run(listed))

    @override
    async def delete_session(
        self, *, app_name: str, user_id: str, session_id: str
    ) -> None:
        """
        Remove a session permanently, with its events, runs and own state.

        What it shares with others stays. To delete an unknown session does nothing.
        """
        name = SessionName(app_name, user_id, session_id)
        await self._runner.run(partial(self._do_delete, name))

    @override
    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        """
        Return the state that the user's sessions share, without the prefix ``user:``.
        """
        return await self._runner.run(partial(self._do_user_state, app_name, user_id))

    @override
    async def append_event(self, session: Session, event: Event) -> Event:
        """
        Append an event to a session, and to its session object.

        A partial event is returned as it is. To append an event again that the object
        has, or whose append had an unknown outcome, writes nothing twice.

        Raises:
            StaleSessionError: If others have written to the session since the object
                was read.

            SessionNotFoundError: ADK's, if there is no such session.

            EventConflictError: If the session has another event of this id.

            ValidationError: Naming what cannot be stored.
        """
        if event.partial:
            return event
        async with self._turn(session):
            if any(known.id == event.id and known == event for known in session.events):
                return event
            self._apply_temp_state(session, event)
            event = self._trim_temp_delta_state(event)
            appended = AppendedEvent.of(session, event)
            latest = await self._runner.run(partial(self._do_append, session, appended))
            session.last_update_time = event.timestamp
            mark_seen(session, latest)
            return self._commit_event_to_session(session, event)

    async def fork_session(
        self,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        new_session_id: str | None = None,
    ) -> Session:
        """
        Copy a session, so that the copy can go another way.

        Events and own state are copied inside the database; runs and artifacts stay
        with the session that has them.

        Raises:
            SessionNotFoundError: Of asm_async, if there is no such session.

            AlreadyExistsError: If there is, or ever was, a session of the new id.
        """
        source = SessionName(app_name, user_id, session_id)
        target = SessionName(app_name, user_id, new_session_id or adk_uuid.new_uuid())
        forked = partial(self._do_fork, source, target, adk_time.get_time())
        return await self._runner.run(forked)

    async def import_session(self, session: Session) -> Session:
        """
        Store a session of another service: its events, and its state.

        The deltas of its events are not applied: *session* has the state after them.
        Values of ``app:`` and ``user:`` keys take the place of what is there.

        Raises:
            AlreadyExistsError: If the user has a session of this id in the app.

            ValidationError: Naming what cannot be stored.
        """
        name = SessionName(session.app_name, session.user_id, session.id)
        imported = partial(
            self._do_create,
            name,
            session.state,
            update_time=session.last_update_time,
            history=tuple(session.events),
        )
        return await self._runner.run(imported)

    async def close(self) -> None:
        """
        Close what :meth:`from_url` opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    async def __aenter__(self) -> Self:
        """
        Return the service as it is.
        """
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Close the service.
        """
        await self.close()

    async def _do_create(
        self, name: SessionName, state: dict[str, Any], **options: Any
    ) -> Session:
        await create(self._runner.ports.store, name, state, **options)
        return await self._read_back(name)

    async def _do_get(
        self, name: SessionName, config: GetSessionConfig | None
    ) -> Session | None:
        found = await read_session(self._runner.ports, name, config)
        if found is None:
            return None
        mark_seen(found.session, found.latest)
        return found.session

    async def _do_list(self, app_name: str, user_id: str | None) -> list[Session]:
        listed = await list_sessions(self._runner.ports, app_name, user_id)
        for session, update_revision in listed:
            mark_listed(session, update_revision)
        return [session for session, _ in listed]

    async def _do_delete(self, name: SessionName) -> None:
        await self._runner.ports.store.delete_session(name.id)

    async def _do_user_state(self, app_name: str, user_id: str) -> dict[str, Any]:
        return await read_user_state(self._runner.ports, app_name, user_id, prefix="")

    async def _do_append(self, session: Session, appended: AppendedEvent) -> int:
        return await append(self._runner.ports, session, appended)

    async def _do_fork(
        self, source: SessionName, target: SessionName, at: float
    ) -> Session:
        copy = target.new_session(time_of(at, "time"))
        try:
            await self._runner.ports.store.copy_session(source.id, copy)
        except SessionDeletedError:
            raise
        except ConflictError as error:
            raise AlreadyExistsError(
                f"Session with id {target.session_id} already exists."
            ) from error
        return await self._read_back(target)

    async def _read_back(self, name: SessionName) -> Session:
        session = await self._do_get(name, None)
        if session is None:
            raise ValidationError(f"session {name.session_id!r} was deleted meanwhile")
        return session

    @asynccontextmanager
    async def _turn(self, session: Session) -> AsyncGenerator[None]:
        """
        Let one append of a session object after the other happen.

        Each changes the object, and the next one goes on from there.
        """
        key = (id(session), id(asyncio.get_running_loop()))
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]


@attrs.define
class _Turn:
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    waiting: int = 0
