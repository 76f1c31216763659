"""
A way to a PostgreSQL server on which round trips are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import sqlalchemy as sa

__all__ = ["CountingWay", "counting_way"]

# ReadyForQuery, of five bytes: the server's last word in each round trip.
_READY = b"Z\x00\x00\x00\x05"


class CountingWay:
    """
    A relay between clients and a server.
    """

    def __init__(self, target: sa.URL) -> None:
        self._target = target
        self._tail = b""
        self.url = ""
        """
        The server's URL by this way.
        """
        self.round_trips = 0
        """
        How often the server has said that it is ready for more.
        """

    def open_at(self, port: int) -> None:
        """
        Tell where the way begins; what is encrypted could not be read.
        """
        here = self._target.set(host="127.0.0.1", port=port)
        plain = here.update_query_dict({"ssl": "disable"})
        self.url = plain.render_as_string(hide_password=False)

    async def relay(
        self, client: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        """
        Pass on what one client and the server say, until either goes.
        """
        port = self._target.port or 5432
        answers, there = await asyncio.open_connection(self._target.host, port)
        directions = {
            asyncio.ensure_future(self._pass_on(client, there)),
            asyncio.ensure_future(self._pass_on(answers, back, is_counted=True)),
        }
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        for writer in (back, there):
            writer.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_counted: bool = False,
    ) -> None:
        while chunk := await reader.read(65_536):
            if is_counted:
                # A message may be cut in two.
                seen = self._tail + chunk
                self._tail = seen[-len(_READY) + 1 :]
                self.round_trips += seen.count(_READY)
            writer.write(chunk)


@asynccontextmanager
async def counting_way(url: str) -> AsyncGenerator[CountingWay]:
    """
    Open a way to the server of *url*, for one client at a time.
    """
    way, relays = CountingWay(sa.make_url(url)), set[asyncio.Task[None]]()

    async def relay(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        await way.relay(client, back)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    way.open_at(server.sockets[0].getsockname()[1])
    try:
        yield way
    finally:
        server.close()
        if relays:
            await asyncio.wait(relays, timeout=5)
