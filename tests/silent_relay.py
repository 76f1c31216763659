"""
A way to a server that falls silent: what is on it stays there, and nothing is closed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

import sqlalchemy as sa

__all__ = ["SilentRelay"]


class SilentRelay:
    """
    A relay on 127.0.0.1 that passes on everything until it is told to be silent.

    Args:
        url: Of a database on the server.
    """

    def __init__(self, url: str) -> None:
        self._target = sa.make_url(url)
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._server: asyncio.Server | None = None
        self.lets_new_through: bool = False
        """
        Whether connections that are made while it is silent work all the same.
        """

    @property
    def url(self) -> str:
        """
        The URL of the database by this way.
        """
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        target = self._target.set(host="127.0.0.1", port=port)
        plain = target.update_query_dict({"ssl": "disable"})
        return plain.render_as_string(hide_password=False)

    def fall_silent(self) -> None:
        """
        Pass nothing on any more.
        """
        self._speaks.clear()

    def speak(self) -> None:
        """
        Pass on what was held back, and all that comes.
        """
        self._speaks.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._speaks.set()
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        is_new = not self._speaks.is_set() and self.lets_new_through
        with suppress(OSError):
            server = await asyncio.open_connection(
                self._target.host or "127.0.0.1", self._target.port or 5432
            )
            self._writers += [writer, server[1]]
            for way in ((reader, server[1]), (server[0], writer)):
                task = asyncio.create_task(self._pass_on(*way, is_new=is_new))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_new: bool,
    ) -> None:
        with suppress(OSError):
            while message := await reader.read(65_536):
                if not is_new:
                    await self._speaks.wait()
                writer.write(message)
                await writer.drain()
        writer.close()
