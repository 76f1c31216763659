"""
The ports of a portal, and what runs an operation of several of their calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from asm_async.errors import StoreClosedError, UnsupportedOperationError
from asm_async.portal.forwarding import forward
from asm_async.portal.ports_thread import PortsThread
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports
from asm_async.values import fields

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False, init=False)
class PortalPorts(Ports):
    """
    The ports of a portal: each method is carried out in its loop, from any other.

    What follows is fetched some 64 events ahead. The reader of an import, and the
    writer of an export, are called in the caller's loop; functions such as *progress*,
    and the *change* of ``update_session``, in the portal's thread.

    Closing one of them refuses what comes after through it, and closes nothing else.

    Args:
        thread: That of the portal.
    """

    thread: PortsThread
    """
    Where the ports are open.
    """

    def __init__(self, thread: PortsThread) -> None:
        object.__setattr__(self, "thread", thread)
        super().__init__(
            store=forward(thread, SessionStore, "store"),
            state=forward(thread, StateStore, "state"),
            query=forward(thread, QueryAPI, "query"),
            maintenance=forward(thread, Maintenance, "maintenance"),
            feed=forward(thread, EventFeed, "feed"),
            artifacts=forward(thread, ArtifactRegistry, "artifacts"),
        )


class PortsRunner:
    """
    Where an operation of several calls is carried out: where its ports are.

    An adapter that is given the ports of a portal has each of its operations run there
    with one change of thread to it, instead of one for each call of a port, and has a
    synchronous half. With other ports nothing changes thread.

    Args:
        ports: Those of a portal, or others.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = fields.instance(ports, "ports", Ports)
        self._thread = ports.thread if isinstance(ports, PortalPorts) else None

    @property
    def ports(self) -> Ports:
        """
        The ports for what is run.
        """
        if self._thread is None:
            return self._ports
        if self._thread.opened is None:
            raise StoreClosedError("the portal is not open")
        return self._thread.opened

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns where the ports are.
        """
        return await (make() if self._thread is None else self._thread.run(make))

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns where the ports are, and block this thread meanwhile.

        Raises:
            UnsupportedOperationError: If they are not those of a portal, which alone
                has a loop that runs meanwhile; or in the portal's own thread.
        """
        if self._thread is None:
            raise UnsupportedOperationError(
                "a synchronous call needs ports that have a thread of their own: pass"
                " those of a portal (asm_async.portal.open_portal), or use from_url"
            )
        return self._thread.call(make)
