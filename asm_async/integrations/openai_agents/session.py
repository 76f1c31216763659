"""
A session of the SDK whose items are events of ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

from agents.memory import SessionSettings
from agents.memory.session_settings import (
    coerce_session_settings,
    resolve_session_limit,
)

from asm_async.errors import StoreClosedError, ValidationError
from asm_async.integrations.openai_agents.compaction import (
    CompactionSnapshot,
    make_snapshot,
)
from asm_async.integrations.openai_agents.history import History, IsExpired
from asm_async.integrations.records.openai_items import (
    AGENT_ID,
    events_of,
    item_of,
    stored_id,
)
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.session import Session, SessionStatus

if TYPE_CHECKING:
    from agents import TResponseInputItem

T = TypeVar("T")


class SessionOptions(TypedDict, total=False):
    """
    What an :class:`AsmSession` takes beside its id and where it is stored.
    """

    session_settings: SessionSettings | dict[str, Any] | None
    """
    The SDK's settings: how many items are read unless a number is asked for.
    """

    run_id: str | None
    """
    The run in which items are added, such as that of a recorder.
    """

    agent_id: str
    """
    The agent of the session, if it is not there yet.
    """

    user_id: str | None
    """
    The user of the session, if it is not there yet.
    """

    tenant_id: str | None
    """
    The tenant of the session, if it is not there yet; another tenant's is not found.
    """

    metadata: Mapping[str, Any] | None
    """
    What is remembered of the session, if it is not there yet, such as its title.
    """


class AsmSession:
    """
    A ``Session`` of the OpenAI Agents SDK: each item is one event of a session of ours.

    Unless it is there, the session is made by the first :meth:`add_items`, in the same
    transaction. An instance costs nothing: make one for each request. With the ports of
    a portal it serves any thread and event loop, with others the loop that is theirs.

    What is popped, cleared or compacted is hidden from readers, and stays in the log.
    Any number of instances, processes and hosts may use one session: an item is popped
    once, and no compaction replaces what it has not seen.

    Args:
        session_id: The SDK's name for it, and ours where that can be.

        ports: Where it is stored: those of :func:`~asm_async.open_ports`, of a portal,
            or in memory. They stay open.

        session_settings: As in :class:`SessionOptions`, which describes all others too.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self,
        session_id: str,
        ports: Ports,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        run_id: str | None = None,
        agent_id: str = AGENT_ID,
        user_id: str | None = None,
        tenant_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings: SessionSettings | None = coerce_session_settings(
            SessionSettings() if session_settings is None else session_settings
        )
        self._run_id = fields.optional(run_id, "run_id", fields.text)
        self._session = Session.new(
            id=stored_id(session_id),
            agent_id=agent_id,
            user_id=user_id,
            tenant_id=tenant_id,
            metadata=metadata,
        ).update_status(SessionStatus.ACTIVE)
        self._runner = PortsRunner(ports)
        self._is_closed = False

    @classmethod
    def from_url(
        cls,
        session_id: str,
        url: str,
        *,
        migrate: bool = True,
        timeout: float = 30.0,
        **options: Unpack[SessionOptions],
    ) -> Self:
        """
        Return a session in a database that is opened on its first call.

        All of a process to the same URL share a thread, an engine and transactions, as
        :func:`~asm_async.portal.open_portal` has it, until :meth:`close` or the end of
        the process. A server opens one portal, and passes its ports to each session.

        Args:
            session_id: As for the class.

            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            timeout: As for :func:`~asm_async.open_ports`.

            options: As for the class.

        Raises:
            ValidationError: Naming the argument that is wrong.
        """
        make = partial(cls, session_id, **options)
        return open_adapter(url, make, migrate=migrate, timeout=timeout)

    @property
    def stored_session_id(self) -> str:
        """
        The id under which the store has it: the SDK's, or one made of it.

        The SDK takes any text. What is empty, longer than 255 characters, or has a NUL,
        is stored as :func:`~asm_async.integrations.ids.safe_id` has it.
        """
        return self._session.id

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """
        Return the latest items, oldest first, equal to what was added.

        Args:
            limit: How many; all if it is negative, and as the settings say if it is
                None.
        """
        resolved = resolve_session_limit(limit, self.session_settings)
        if resolved is not None and resolved < 0:
            resolved = None
        found = await self._run(lambda history: history.read(resolved))
        return [item_of(event) for event in found]

    async def add_items(
        self,
        items: list[TResponseInputItem],
        *,
        event_ids: Sequence[str] | None = None,
    ) -> None:
        """
        Append items, all or none.

        Args:
            items: JSON values; nothing is a valid list, and writes nothing.

            event_ids: One id for each item, for callers that repeat what may have been
                written: an item whose id is stored already is not added again.

        Raises:
            TypeError: If an item is no JSON value, naming what in it is none.

            ValidationError: If *items* is no list, or *event_ids* are not as many.

            EventConflictError: If an id is that of another item.

            SessionDeletedError: If the session is soft-deleted.

            SessionNotFoundError: If it is another tenant's.
        """
        if not fields.is_list(items):
            raise fields.unexpected("items", "a list", items)
        added = list[object](items)
        if event_ids is not None and len(event_ids) != len(added):
            raise ValidationError(
                f"event_ids: expected {len(added)}, one for each item, got"
                f" {len(event_ids)}"
            )
        events = self._events_of(added, event_ids)
        if events or self._is_closed:
            again = event_ids is not None
            await self._run(lambda history: history.append(events, again=again))

    async def pop_item(self) -> TResponseInputItem | None:
        """
        Take back the latest item, and return it; None if there is none.

        Of callers that do so at the same time each is given another item.

        Raises:
            SequenceConflictError: If others went on writing to the session for 30
                seconds.
        """
        event = await self._run(lambda history: history.pop())
        return None if event is None else item_of(event)

    async def clear_session(self) -> None:
        """
        Take back all that is there; what is added meanwhile stays.

        Whatever else the session's log holds is hidden too, such as the events of runs.
        """
        await self._run(lambda history: history.clear())

    def close(self) -> None:
        """
        Refuse what comes after, and close what :meth:`from_url` has opened.

        It blocks until that is done, unless others of this process share it.
        """
        self._is_closed = True
        self._runner.close()

    async def _get_compaction_snapshot(
        self,
        limit: int,
        *,
        prune_prefix: IsExpired | None = None,
    ) -> CompactionSnapshot | None:
        """
        Return the latest items, and what replaces them all or nothing.

        The name and the form are the SDK's: see the module ``compaction``.

        Args:
            limit: How many items at most.

            prune_prefix: Returns whether an item at the beginning of the history may go
                when others are replaced.
        """
        if any(getattr(type(self), name) is not own for name, own in _OWN.items()):
            # What others make of items is theirs to replace.
            return None
        found = await self._run(lambda history: history.read(limit + 1))
        events = found[-limit:]

        async def replace_suffix(start: int, output: list[Any]) -> bool:
            expected = events[start:]
            if not expected:
                return False
            replacement = self._events_of(output)
            return await self._run(
                lambda history: _replace(history, expected, replacement, prune_prefix)
            )

        return make_snapshot(
            [item_of(event) for event in events],
            complete=len(found) <= limit,
            replace_suffix=replace_suffix,
        )

    def _events_of(
        self, items: Sequence[object], event_ids: Sequence[str] | None = None
    ) -> list[Event]:
        return events_of(
            items,
            session_id=self._session.id,
            run_id=self._run_id,
            event_ids=event_ids,
        )

    async def _run(self, operate: Callable[[History], Awaitable[T]]) -> T:
        """
        Carry out an operation on the history where the ports are.
        """
        if self._is_closed:
            raise StoreClosedError(
                f"the session {self.session_id!r} was closed: make another AsmSession"
                " of its id"
            )
        return await self._runner.run(lambda: operate(self._history()))

    def _history(self) -> History:
        return History(self._runner.ports.store, self._session)


async def _replace(
    history: History,
    expected: Sequence[Event],
    replacement: Sequence[Event],
    is_expired: IsExpired | None,
) -> bool:
    is_replaced = await history.replace_suffix(expected, replacement)
    if is_replaced and is_expired is not None:
        # What has expired is read by nobody, so that it may stay if this fails.
        await history.hide_expired(expected[0].sequence_number, is_expired)
    return is_replaced


_OWN = MappingProxyType(
    {
        name: getattr(AsmSession, name)
        for name in ("get_items", "add_items", "pop_item", "clear_session")
    }
)
