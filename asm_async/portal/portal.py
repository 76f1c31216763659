"""
Ports that any thread and any event loop can use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Self, TypeVar

import attrs

from asm_async.errors import StoreClosedError
from asm_async.portal.forwarding import forward
from asm_async.portal.ports_thread import PortsFactory, PortsThread
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.ports.together import Ports
from asm_async.values import fields

T = TypeVar("T")


class Portal:
    """
    Ports in an event loop and a thread of their own, for all other loops and threads.

    Ports belong to the event loop that uses them. A portal runs one for them, so that
    programs with several loops, with threads, or without asyncio, can use them too:
    what they write still shares transactions. Each call costs two changes of thread.

    Nothing is opened before it is needed: ``with`` and ``async with`` open the ports
    and raise what is wrong with that, and so does the first call. A portal that was
    made and not used before a fork works in the child; one that was used is refused
    there with ``StoreClosedError``.

    **Cancellation.** A call that is cancelled, or interrupted by Ctrl-C, is cancelled
    in the portal's loop, and waits for its outcome there, for *timeout* at most.

    **Ending.** It is closed at the end of its ``with`` block, by :meth:`close`, or when
    the interpreter exits.

    Args:
        open_ports:
            Called in the portal's loop; returns what ``async with`` opens, such as
            ``InMemoryPorts`` or ``partial(open_ports, url)``.
            :func:`~asm_async.portal.open_portal` shares one portal for each URL.

        timeout: How long, in seconds, what was cancelled, or is closed, is waited for.

    Raises:
        ValidationError: If *timeout* is no number of seconds, or *open_ports* no
            function.
    """

    def __init__(self, open_ports: PortsFactory, *, timeout: float = 30.0) -> None:
        # Each call of the ports ends within its own timeout and a second.
        seconds = fields.amount(timeout, "timeout") + 1.0
        thread = PortsThread(fields.function(open_ports, "open_ports"), seconds)
        self._begin(thread, thread.close)

    def _begin(
        self,
        thread: PortsThread,
        leave: Callable[[], object],
        another: Callable[[Ports], Ports] | None = None,
    ) -> None:
        self._thread = thread
        self._leave = leave
        self._another = another
        self._is_closed = False
        self._opened: Ports | None = None
        self._ports = PortalPorts(self)

    @property
    def ports(self) -> PortalPorts:
        """
        The ports as any event loop can use them.
        """
        return self._ports

    @property
    def opened(self) -> Ports:
        """
        The ports as they are in the portal's loop, for what is run there.

        Raises:
            StoreClosedError: If they are not open, or not any more.
        """
        opened = self.opened_ports
        if opened is None:
            raise StoreClosedError("the portal is not open: open one with open_portal")
        return opened

    @property
    def opened_ports(self) -> Ports | None:
        """
        What :attr:`opened` is; None instead of an error.
        """
        return None if self._is_closed else self._opened

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns in the portal's loop, from any event loop.

        From the portal's own it is awaited as it is.

        Args:
            make: Called in the portal's loop, with the caller's context variables.

        Raises:
            StoreClosedError: If the portal was closed, before or meanwhile, or was used
                by the process that this one was forked from.
        """
        return await self._started().run(self._opening_first(make))

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns in the portal's loop, and block this thread meanwhile.

        Args:
            make: As for :meth:`run`.

        Raises:
            UnsupportedOperationError: In the portal's own thread, which would wait for
                itself.

            StoreClosedError: As for :meth:`run`.
        """
        return self._started().call(self._opening_first(make))

    async def stream(self, make: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """
        Yield in this loop what a generator yields in the portal's, in its order.

        Some 64 items are fetched ahead. Closing the iterator, or the cancellation of
        its consumer, closes the generator and waits for that.

        Args:
            make: Called in the portal's loop; returns the generator.
        """
        await self.run(self._open)
        async with aclosing(self._started().stream(make)) as items:
            async for item in items:
                yield item

    def close(self) -> None:
        """
        Close the ports, unless other portals share them, and block until they are.

        What still waits in a call has its outcome or is refused with
        ``StoreClosedError``. Closing twice is allowed, and a forked child closes
        nothing of its parent's.
        """
        if not self._is_closed:
            self._is_closed = True
            try:
                if self._another is not None and self._opened is not None:
                    self._thread.call(self._opened.aclose)
            finally:
                self._leave()

    async def aclose(self) -> None:
        """
        Close the portal as :meth:`close` does, and let this loop run meanwhile.
        """
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        """
        Open the ports.
        """
        self.call(self._open)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Close the portal.
        """
        self.close()

    async def __aenter__(self) -> Self:
        """
        Open the ports.
        """
        await self.run(self._open)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Close the portal.
        """
        await self.aclose()

    def _started(self) -> PortsThread:
        if self._is_closed:
            raise StoreClosedError("the portal was closed: open another one")
        return self._thread

    def _opening_first(
        self, make: Callable[[], Awaitable[T]]
    ) -> Callable[[], Awaitable[T]]:
        if self._opened is not None:
            return make

        async def open_first() -> T:
            await self._open()
            return await make()

        return open_first

    async def _open(self) -> None:
        ports = await self._thread.open()
        if self._opened is None:
            self._opened = ports if self._another is None else self._another(ports)


@attrs.frozen(kw_only=True, eq=False, init=False)
class PortalPorts(Ports):
    """
    The ports of a portal: each method is carried out in its loop, from any other.

    What follows is fetched some 64 events ahead. The reader of an import, and the
    writer of an export, are called in the caller's loop; functions such as *progress*,
    and the *change* of ``update_session``, in the portal's thread.

    Closing one of them closes it for this portal alone.

    Args:
        portal: Whose.

        is_owner: Whether the adapter that is made over them closes the portal.
    """

    portal: Portal
    """
    Through which they are reached.
    """

    is_owner: bool
    """
    Whether :meth:`PortsRunner.close <asm_async.portal.PortsRunner.close>` closes it.
    """

    def __init__(self, portal: Portal, *, is_owner: bool = False) -> None:
        object.__setattr__(self, "portal", portal)
        object.__setattr__(self, "is_owner", is_owner)
        super().__init__(
            store=forward(portal, SessionStore, "store"),
            state=forward(portal, StateStore, "state"),
            query=forward(portal, QueryAPI, "query"),
            maintenance=forward(portal, Maintenance, "maintenance"),
            feed=forward(portal, EventFeed, "feed"),
            artifacts=forward(portal, ArtifactRegistry, "artifacts"),
            text_search=forward(portal, TextSearch, "text_search"),
        )
