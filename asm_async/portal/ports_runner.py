"""
What runs an operation of several calls of ports where these are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from asm_async.errors import UnsupportedOperationError
from asm_async.portal.portal import PortalPorts
from asm_async.ports.together import Ports
from asm_async.values import fields

T = TypeVar("T")


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
        self._portal = ports.portal if isinstance(ports, PortalPorts) else None
        self._is_owner = isinstance(ports, PortalPorts) and ports.is_owner

    @property
    def ports(self) -> Ports:
        """
        The ports for what is run.
        """
        return self._ports if self._portal is None else self._portal.opened

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns where the ports are.
        """
        return await (make() if self._portal is None else self._portal.run(make))

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns where the ports are, and block this thread meanwhile.

        Raises:
            UnsupportedOperationError: If they are not those of a portal, which alone
                has a loop that runs meanwhile; or in the portal's own thread.
        """
        if self._portal is None:
            raise UnsupportedOperationError(
                "a synchronous call needs ports that have a thread of their own: pass"
                " those of a portal (asm_async.portal.open_portal), or use from_url"
            )
        return self._portal.call(make)

    def close(self) -> None:
        """
        Close the portal that :func:`~asm_async.portal.open_adapter` opened.

        Ports that others opened stay open. Closing twice is allowed.
        """
        if self._portal is not None and self._is_owner:
            self._portal.close()

    async def aclose(self) -> None:
        """
        Close as :meth:`close` does, and let this loop run meanwhile.
        """
        if self._portal is not None and self._is_owner:
            await self._portal.aclose()
