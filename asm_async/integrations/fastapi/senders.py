"""
Sending an answer piece by piece, as fast as the client takes it.
"""

from __future__ import annotations

import asyncio

from starlette.types import Send

_MAX_BYTES_WAITING = 1 << 16


class Sender:
    """
    Sends what is written to it, joined where several pieces are waiting.

    A writer does not wait for the client, but for room: what waits to be sent is one
    piece, or several that are small together.

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
        self._is_finished = False
        self._to_do = asyncio.Event()
        self._done = asyncio.Event()
        self.has_begun: bool = False
        """
        Whether a piece was written, so that no other answer can be sent any more.
        """

    async def write(self, piece: bytes) -> None:
        """
        Queue a piece of the answer, and wait until there is room for the next.
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
        Return how long ago the last piece was written.
        """
        return self._clock() - self._last_piece_at

    def beat(self, heartbeat: bytes) -> None:
        """
        Queue a heartbeat, if the answer has begun and nothing else is waiting.
        """
        if self.has_begun and not self._pieces:
            self._put(heartbeat)
        self._last_piece_at = self._clock()

    def finish(self, final_chunk: bytes) -> None:
        """
        End the answer with *final_chunk*.
        """
        self._put(final_chunk)
        self._is_finished = True

    async def run(self) -> None:
        """
        Send what is written until the answer is finished.
        """
        while not self._is_finished or self._pieces:
            await self._to_do.wait()
            self._to_do.clear()
            if not self._has_started:
                self._has_started = True
                await self._send(self._start)
            # What is written while this waits for the client goes out with the next
            # message: bytes that are being sent still count as waiting.
            body, is_last = b"".join(self._pieces), self._is_finished
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
