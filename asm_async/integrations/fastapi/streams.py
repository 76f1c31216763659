"""
Answers that last for as long as there is something to send.

The ``EventSourceResponse`` of ``sse-starlette`` (3.7) does not serve in their place.
When it is imported it replaces a method of uvicorn's server for the whole process; it
looks twice a second whether the server stops; it sends each event as a message of its
own, and logs its text; it bounds neither the number of streams nor how long they last;
and it streams no exports. Both it and Starlette's ``StreamingResponse`` run the
iterator in a task group of anyio, whose cancellation is repeated until the task has
ended, and so interrupts a follower while it gives its connection back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import ClassVar, TypeAlias

import anyio
from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from asm_async.integrations.fastapi.access import RequestContext
from asm_async.integrations.fastapi.ports import app_state_of
from asm_async.integrations.fastapi.problems import problem_of

_MAX_BYTES_WAITING = 1 << 16


class Sender:
    """
    Sends what is written to it, joined where several pieces are waiting.

    A writer does not wait for the client, but for room: what waits to be sent is one
    piece, or several that are small together.
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
        self._is_finished = False
        self._to_do = asyncio.Event()
        self._done = asyncio.Event()
        # Whether a piece was written, so that no other answer can be sent any more.
        self.has_begun: bool = False

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
        await self._to_do.wait()
        await self._send(self._start)
        while not self._is_finished or self._pieces:
            await self._to_do.wait()
            self._to_do.clear()
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


Write: TypeAlias = Callable[[bytes], Awaitable[None]]
"""
Sends a piece of the answer; returns when there is room for the next.
"""

Produce: TypeAlias = Callable[[Write], Awaitable[None]]
"""
Writes the pieces, and returns after the last.
"""

_LOG = logging.getLogger(__name__)

_BROKEN_OFF = "a stream was broken off: %s"

_FINAL_CHUNK_SECONDS = 1.0


def end_streams(app: FastAPI) -> None:
    """
    End all open streams of *app*, since the server is about to stop.

    Where a signal stops the server, the lifespan does so itself.
    """
    app_state_of(app).streams.end()


class StreamedResponse(Response):
    """
    An answer that is written piece by piece, by a task of its own.

    It ends when all is written, when the client disconnects, when the server is about
    to stop, or when it has lasted as long as it may; then the task is cancelled once
    and waited for, so that nothing of it is left. It holds one piece, or several that
    are small together; the next is made only when the client has made room for it.
    """

    def __init__(
        self,
        produce: Produce,
        context: RequestContext,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._produce = produce
        self._streams = context.state.streams
        self._limits = context.limits
        self._log_throttle = context.state.log_throttle
        self._places = context.limits.places(
            context.tenant_id, is_export=self.is_export
        )
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers({"Cache-Control": "no-store", **(headers or {})})
        # Without it nginx buffers the pieces.
        self.headers["X-Accel-Buffering"] = "no"

    is_export: ClassVar[bool] = False
    """
    Whether the bounds on exports hold as well.
    """

    heartbeat: ClassVar[bytes] = b""
    """
    What is sent after a long silence; nothing if it is empty.
    """

    def final_chunk(self, error: BaseException | None) -> bytes | None:
        """
        Return the last piece of an answer that is broken off by an *error*, or without.

        None breaks it off without one, so that the client sees that it is not whole.
        """
        del error
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Stream the answer, or describe the problem that came before its first piece.
        """
        sender = Sender(send, self.status_code, self.raw_headers)
        try:
            with self._streams.join(self._places) as ending:
                await self._stream(sender, receive, ending)
        except Exception as error:
            if sender.has_begun:
                raise
            await problem_of(error, self._log_throttle)(scope, receive, send)

    async def _stream(
        self, sender: Sender, receive: Receive, ending: asyncio.Future[None]
    ) -> None:
        work = asyncio.ensure_future(self._write_all(sender))
        gone = asyncio.ensure_future(_until_gone(receive))
        sending = asyncio.ensure_future(sender.run())
        try:
            done = await self._first_of({work, gone, sending, ending}, sender)
            if not done & {gone, sending}:
                error = work.exception() if work in done else None
                if error is not None and not sender.has_begun:
                    raise error
                await _end(work)
                is_whole = work in done and error is None
                if error is not None:
                    kind = type(error).__name__
                    self._log_throttle.log(_LOG, logging.WARNING, _BROKEN_OFF, kind)
                final = b"" if is_whole else self.final_chunk(error)
                if final is not None:
                    sender.finish(final)
                    # A client that reads nothing has no room even for this piece.
                    await asyncio.wait({sending}, timeout=_FINAL_CHUNK_SECONDS)
        finally:
            await _end(work, gone, sending)
        if sending in done:
            # Some servers raise OSError when the client has disconnected.
            with suppress(OSError):
                sending.result()

    async def _first_of(
        self, ends: set[asyncio.Future[None]], sender: Sender
    ) -> set[asyncio.Future[None]]:
        """
        Wait for an end, as long as an answer may last, and send heartbeats meanwhile.
        """
        clock = asyncio.get_running_loop().time
        last = clock() + self._limits.max_stream_seconds
        done: set[asyncio.Future[None]] = set()
        while not done and (left := last - clock()) > 0:
            if self.heartbeat:
                quiet = self._limits.heartbeat_seconds - sender.silent_seconds()
                if quiet <= 0:
                    sender.beat(self.heartbeat)
                    continue
                left = min(left, quiet)
            done, _ = await asyncio.wait(
                ends, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
        return done

    async def _write_all(self, sender: Sender) -> None:
        await self._produce(sender.write)
        await sender.drain()


class ExportStream(StreamedResponse):
    """
    An export, broken off without an end if it cannot be whole.
    """

    media_type = "application/x-ndjson"
    is_export: ClassVar[bool] = True


class JSONStream(ExportStream):
    """
    An export as one JSON value, which is none if it is broken off.
    """

    media_type = "application/json"


async def _end(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    # The task group of a middleware may be cancelling this task again and again.
    with anyio.CancelScope(shield=True):
        await asyncio.wait(tasks)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
