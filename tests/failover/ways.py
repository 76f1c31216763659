"""
Relays from some clients to every server, which nobody else uses.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from asm_async.testing.faults import TCPProxy

__all__ = ["Ways", "open_ways"]

_ADDRESS = re.compile(r"(?<=[@,])([\d.]+):(\d+)")


@attrs.frozen
class Ways:
    """
    The network between some clients and all servers.
    """

    _relays: Mapping[str, TCPProxy]

    def url(self, url: str) -> str:
        """
        Return the URL by which the servers that *url* names are reached by the relays.
        """
        return _ADDRESS.sub(lambda m: f"127.0.0.1:{self._relays[m[0]].port}", url)

    def cut(self) -> None:
        """
        Break what is connected, and let nothing new through.
        """
        for relay in self._relays.values():
            relay.is_blocked = True
            relay.cut_connections()

    def fall_silent(self) -> None:
        """
        Pass nothing on, and close nothing.
        """
        for relay in self._relays.values():
            relay.fall_silent()

    def heal(self) -> None:
        """
        Let everything through.
        """
        for relay in self._relays.values():
            relay.is_blocked = False
            relay.speak()


@asynccontextmanager
async def open_ways(*urls: str) -> AsyncGenerator[Ways]:
    """
    Open a relay to each address that these URLs name.
    """
    async with AsyncExitStack() as stack:
        relays: dict[str, TCPProxy] = {}
        for match in _ADDRESS.finditer(" ".join(urls)):
            relay = TCPProxy(match[1], int(match[2]))
            if match[0] not in relays:
                relays[match[0]] = await stack.enter_async_context(relay)
        yield Ways(relays)
