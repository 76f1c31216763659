"""
The event store of one MCP session over ours.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from contextlib import suppress
from functools import partial
from typing import Any, Self

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from pydantic import BaseModel

from asm_async.conventions import session_started
from asm_async.errors import (
    EventConflictError,
    SessionNotFoundError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.integrations.ids import safe_id
from asm_async.integrations.mcp.handover import Handover
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.session import Session, SessionStatus

AGENT_ID = "mcp"
"""
The ``agent_id`` of the sessions that event stores keep.
"""

MESSAGE_TYPE = "mcp.message"
"""
The type of the event of a message; the message is under ``data["original"]``.
"""

_PRIMING_TYPE = "mcp.priming"
_SHARED_TYPE = "mcp.shared"

# Ids that each session has once: who appends the first a second time is refused.
_BEGUN_ID = "mcp-initialized"
_SHARED_ID = "mcp-shared"

_PAGE_SIZE = 100

_LOGGER = logging.getLogger(__name__)


class AsmEventStore(EventStore):
    """
    What one MCP session has told its client, so that a broken stream can be resumed.

    **One for each MCP session.** The protocol's library never says of which session a
    message is, and sessions use the same names for their streams: with one store for
    several, a replay would show one client the messages of another. So each store has a
    scope of its own, and each MCP session needs a store of its own, which
    :func:`~asm_async.integrations.mcp.streamable_http_app` sees to. A second session
    that is begun in a scope is refused, and from then on nothing of it is replayed.

    **Ids.** Each event's id begins with a token of its scope and goes on with 128
    random bits. An id of another scope, or one that is not stored, replays nothing.

    **Order.** The events of a stream are replayed in the order in which they were
    committed, each once, by whichever process; what was retracted is left out.

    The messages are no conversation, but what a protocol says: a session with the agent
    ``mcp`` holds them as events ``mcp.message``, which transcripts leave out.

    Args:
        ports: Over which database; those of a portal serve any event loop. They stay
            the caller's to close.

        scope: The MCP session: its id, if the host has it and may resume it in another
            process; a new random one unless given.

        tenant_id: The customer whose session it is, if one is known.

        user_id: The person who uses the client, if one is known.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        scope: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        self._runner = PortsRunner(ports)
        if scope == "":
            raise ValidationError(
                "scope: expected text or None: sessions would share an empty one"
            )
        self._session_id = safe_id(
            AGENT_ID, secrets.token_hex(16) if scope is None else scope
        )
        self._session = Session.new(
            id=self._session_id,
            agent_id=AGENT_ID,
            tenant_id=tenant_id,
            user_id=user_id,
        ).update_status(SessionStatus.ACTIVE)
        digest = hashlib.sha256(self._session_id.encode()).hexdigest()
        self._token = f"{digest[:16]}-"
        self._handover = Handover()

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        migrate: bool = True,
        timeout: float = 30.0,
        scope: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
    ) -> Self:
        """
        Return a store over a database, for any thread and event loop.

        The database is opened by the first call, and closed by :meth:`aclose` or at the
        end of the process. All stores of a process to the same URL share it.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            timeout: As for :func:`~asm_async.open_ports`.

            scope: As for the constructor, like all that follows.

            tenant_id: The customer whose session it is.

            user_id: The person who uses the client.
        """
        make = partial(cls, scope=scope, tenant_id=tenant_id, user_id=user_id)
        return open_adapter(url, make, migrate=migrate, timeout=timeout)

    @property
    def session_id(self) -> str:
        """
        The id of the session that holds the events.
        """
        return self._session_id

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` has opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """
        Store a message of a stream, or None for the place where it begins.

        The session is made with its first event, and again if it was deleted meanwhile.

        Returns:
            The id of the event.

        Raises:
            ValidationError: If an argument is wrong; nothing is stored.

            UnsupportedOperationError: If a second MCP session begins in this scope.

            SessionDeletedError: If the session is soft-deleted.
        """
        fields.instance(stream_id, "stream_id", str)
        data: dict[str, Any] = {"stream_id": stream_id}
        if message is not None:
            data["original"] = _plain(message)
        event = Event.new(
            type=_PRIMING_TYPE if message is None else MESSAGE_TYPE,
            session_id=self._session_id,
            id=self._token + secrets.token_hex(16),
            correlation_id=safe_id("mcp-stream", stream_id),
            data=data,
        )
        async with self._handover.storing(is_beginning=message is None):
            await self._runner.run(partial(self._do_store, event, message))
        return event.id

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """
        Send what came after an event in its stream, oldest first, but for beginnings.

        Args:
            last_event_id: The last event that the client has seen.

            send_callback: Called for each message, one after the other, in the caller's
                loop; nothing of the database is held meanwhile.

        Returns:
            The stream; None if the event is not known here: then nothing was sent.
        """
        fields.instance(last_event_id, "last_event_id", str)
        if not last_event_id.startswith(self._token):
            return None
        last = await self._runner.run(partial(self._do_find, last_event_id))
        if last is None:
            return None
        last = await self._replay(last, send_callback)
        async with self._handover.finishing():
            last = await self._replay(last, send_callback)
        stream_id: str = last.data["stream_id"]
        return stream_id

    async def _replay(self, last: Event, send_callback: EventCallback) -> Event:
        """
        Send what is stored of a stream behind an event; return the last that was sent.
        """
        while True:
            page = await self._runner.run(partial(self._do_read, last))
            for event in page:
                original = event.data["original"]
                message = jsonrpc_message_adapter.validate_python(original)
                await send_callback(EventMessage(message, event.id))
            last = page[-1] if page else last
            if len(page) < _PAGE_SIZE:
                return last

    async def _do_store(self, event: Event, message: JSONRPCMessage | None) -> None:
        events = [event]
        if _is_beginning(message):
            events = [session_started(session_id=self._session_id, id=_BEGUN_ID), event]
        store = self._runner.ports.store
        try:
            try:
                await store.append_events(events)
            except SessionNotFoundError:
                changes = Changes(events=tuple(events), create_session=self._session)
                await store.commit(changes)
        except EventConflictError as error:
            await self._do_refuse_replays()
            raise UnsupportedOperationError(
                "two MCP sessions use one event store, and a replay would show one the"
                " messages of the other: make a store for each session, as"
                " asm_async.integrations.mcp.streamable_http_app does"
            ) from error

    async def _do_refuse_replays(self) -> None:
        shared = Event.new(
            type=_SHARED_TYPE, session_id=self._session_id, id=_SHARED_ID
        )
        with suppress(EventConflictError):
            await self._runner.ports.store.append_event(shared)

    async def _do_find(self, event_id: str) -> Event | None:
        found = await self._runner.ports.store.get_events(
            self._session_id, ids=[event_id, _SHARED_ID]
        )
        by_id = {event.id: event for event in found}
        if _SHARED_ID in by_id:
            _LOGGER.error("no replay: several MCP sessions have one event store")
            return None
        return by_id.get(event_id)

    async def _do_read(self, last: Event) -> list[Event]:
        return await self._runner.ports.store.get_events(
            self._session_id,
            correlation_id=last.correlation_id,
            type=MESSAGE_TYPE,
            visible_only=True,
            after=last.sequence_number,
            limit=_PAGE_SIZE,
        )


def _plain(message: object) -> dict[str, Any]:
    """
    Return a message as it goes over the wire.
    """
    if not isinstance(message, BaseModel):
        raise fields.unexpected("message", "a JSON-RPC message or None", message)
    return message.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _is_beginning(message: JSONRPCMessage | None) -> bool:
    """
    Return whether a message is the answer to ``initialize``, which a session has once.
    """
    if not isinstance(message, JSONRPCResponse):
        return False
    return {"protocolVersion", "serverInfo"} <= message.result.keys()
