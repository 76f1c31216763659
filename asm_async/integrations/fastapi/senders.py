"""
Sending an answer piece by piece, as fast as the client takes it.
"""

from __future__ import annotations

import asyncio

from starlette.types import Send

__all__ = ["Sender"]

_MAX_BYTES_WAITING = 1 << 16


class Sender:
    """
    Sends what is written to it, joined where several pieces are waiting.

    Whoever writes need not wait for the client, but for room: what is not sent yet is
    one piece, or some that are small together.

    Args:
        send: Takes the messages of ASGI.

        status: The answer's.

        headers: The answer's.
    """

    def __init__(
        self, send: Send, status: int, headers: list[tuple[bytes, bytes]]
    ) -> None:
        self._send = send
        self._start = {
            "type": "http.response.start",
            "status": status,
            "headers": headers,
        }
        self._clock = asyncio.get_running_loop().time
        self._last_piece_at = self._clock()
        self._pieces: list[bytes] = []
        self._bytes_waiting = 0
        self._has_started = False
        self._is_over = False
        self._to_do = asyncio.Event()
        self._done = asyncio.Event()
        self.has_begun: bool = False
        """
        Whether a piece was written, so that no other answer can be given any more.
        """

    async def write(self, piece: bytes) -> None:
        """
        Have a piece of the answer sent, and its head before the first one.
        """
        self._put(piece)
        while self._bytes_waiting > _MAX_BYTES_WAITING:
            await self._wait()

    async def drain(self) -> None:
        """
        Wait until all that was written is sent.
        """
        while self._bytes_waiting:
            await self._wait()

    def silent_seconds(self) -> float:
        """
        Tell how long ago the last piece was written.
        """
        return self._clock() - self._last_piece_at

    def beat(self, heartbeat: bytes) -> None:
        """
        Have a sign of life sent, if the answer has begun and nothing else is waiting.
        """
        if self.has_begun and not self._pieces:
            self._put(heartbeat)
        self._last_piece_at = self._clock()

    def finish(self, last: bytes) -> None:
        """
        Have the answer end with *last*.
        """
        self._put(last)
        self._is_over = True

    async def run(self) -> None:
        """
        Send all there is, until the answer is finished.
        """
        while not self._is_over or self._pieces:
            await self._to_do.wait()
            self._to_do.clear()
            if not self._has_started:
                self._has_started = True
                await self._send(self._start)
            body, is_last = b"".join(self._pieces), self._is_over
            self._pieces.clear()
            await self._send(
                {"type": "http.response.body", "body": body, "more_body": not is_last}
            )
            self._bytes_waiting -= len(body)
            self._done.set()

    def _put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._bytes_waiting += len(piece)
        self._last_piece_at = self._clock()
        self.has_begun = True
        self._to_do.set()

    async def _wait(self) -> None:
        self._done.clear()
        await self._done.wait()
