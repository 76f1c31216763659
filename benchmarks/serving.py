"""
Appends while many clients stream: beside appends in the same server without any.

    python -m benchmarks.serving
    python -m benchmarks.serving --streams 100 --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from asm_async import Event, Session
from asm_async.integrations.fastapi import (
    ALL_TENANTS,
    Access,
    Limits,
    end_streams,
    lifespan,
    router,
)
from asm_async.integrations.fastapi.ports import app_state_of
from asm_async.ports.session_store import SessionStore
from benchmarks.measure import ratio
from benchmarks.resident_memory import mebibytes

AGENTS = 32
ROUNDS = 5
WARM_UP_SECONDS = 1.0

_MARK = b"\ndata: "


@dataclass(frozen=True)
class Options:
    """
    What to measure.
    """

    streams: int
    seconds: float
    viewers: int


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def anybody() -> Access:
    """
    Let everybody in: only this process and its child know the port.
    """
    return ALL_TENANTS


def make_app(database_url: str, streams: int) -> FastAPI:
    """
    Make an application that has room for so many streams.
    """
    app = FastAPI(lifespan=lifespan(database_url, migrate=True))
    limits = Limits(max_streams=max(streams, 1))
    app.include_router(router(authorize=anybody, limits=limits))
    return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[int]:
    """
    Serve *app* in this event loop and give its port.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        end_streams(app)
        server.should_exit = True
        await serving


class Stream(asyncio.Protocol):
    """
    Asks for one stream and counts its events, at as little cost as can be.

    Clients have other machines; here they take time from the server's.
    """

    def __init__(self, path: str) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._end = b""
        self.opened: asyncio.Event = asyncio.Event()
        self.events: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Ask.
        """
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """
        Count, also what lies in two pieces.
        """
        self.opened.set()
        piece = self._end + data
        self.events += piece.count(_MARK)
        self._end = piece[-len(_MARK) + 1 :]


async def read_streams(port: int, paths: list[str]) -> None:
    """
    Hold a stream open for each path, and count what comes: the child's work.

    It says ``ready`` when all are open, and the number of events when it is told to.
    """
    loop = asyncio.get_running_loop()
    streams: list[Stream] = []
    for path in paths:
        made = await loop.create_connection(partial(Stream, path), "127.0.0.1", port)
        streams.append(made[1])
    for stream in streams:
        await stream.opened.wait()
    _say("ready")
    while await asyncio.to_thread(sys.stdin.readline):
        _say(str(sum(stream.events for stream in streams)))


@asynccontextmanager
async def streaming(
    port: int, paths: list[str]
) -> AsyncGenerator[Callable[[], Awaitable[int]]]:
    """
    Let a child hold the streams, so that their clients cost this process nothing.

    Yields:
        What counts the events that have come.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.serving", "--read", str(port), *paths),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said = cast("asyncio.StreamReader", process.stdout)
    told = cast("asyncio.StreamWriter", process.stdin)

    async def count() -> int:
        told.write(b"\n")
        return int(await said.readline())

    await said.readline()
    try:
        yield count
    finally:
        told.close()
        await process.wait()


async def append_for(store: SessionStore, ids: list[str], seconds: float) -> float:
    """
    Let each agent await one append at a time, and give how many there were a second.
    """
    appended = 0
    start = time.perf_counter()

    async def work(session_id: str) -> None:
        nonlocal appended
        while time.perf_counter() - start < seconds:
            event = Event.new(
                type="message_streamed",
                session_id=session_id,
                data={"content": "some words of an answer", "index": appended},
            )
            await store.append_event(event)
            appended += 1

    await asyncio.gather(*(work(id_) for id_ in ids))
    return appended / (time.perf_counter() - start)


async def measure(options: Options, database_url: str) -> None:
    """
    Append with and without streams, in turn, in one server.
    """
    app = make_app(database_url, options.streams)
    async with served(app) as port:
        store = app_state_of(app).ports.store
        sessions = [
            await store.save_session(Session.new(agent_id="agent"))
            for _ in range(AGENTS + options.streams)
        ]
        ids = [session.id for session in sessions]
        written = ids[:AGENTS]
        # Some clients watch the sessions that are written to, the rest other ones.
        watched = [written[n % AGENTS] for n in range(options.viewers)]
        watched += ids[AGENTS + len(watched) : AGENTS + options.streams]
        latest = dict.fromkeys(ids, 0)
        quiet: list[float] = []
        busy: list[float] = []
        memory: list[float] = []
        await append_for(store, written, WARM_UP_SECONDS)
        # What was imported never dies, and need not be walked over to find that out.
        gc.collect()
        gc.freeze()
        for _ in range(ROUNDS):
            quiet.append(await append_for(store, written, options.seconds))
            for id_ in written:
                latest[id_] = await store.get_latest_sequence(id_)
            paths = [
                f"/sessions/{id_}/events/stream?after={latest[id_]}" for id_ in watched
            ]
            async with streaming(port, paths) as count:
                # By then each stream has read what there was, and waits for more.
                await append_for(store, written, WARM_UP_SECONDS)
                memory.append(mebibytes("VmRSS"))
                busy.append(await append_for(store, written, options.seconds))
                memory.append(mebibytes("VmRSS"))
                seen = await count()
            times = busy[-1] / quiet[-1]
            _say(
                f"{quiet[-1]:8,.0f} appends/s without, {busy[-1]:8,.0f} with"
                f" {len(paths)} streams ({times:.2f}x), {seen:,} events streamed,"
                f" {memory[-2]:.1f} -> {memory[-1]:.1f} MiB"
            )
        middle, lowest, highest = ratio(busy, quiet)
        _say(
            f"median {middle:.2f}x ({lowest:.2f} to {highest:.2f});"
            f" memory from {memory[0]:.1f} to {memory[-1]:.1f} MiB"
        )


def main() -> None:
    """
    Measure, or be the child that holds the streams.
    """
    parser = argparse.ArgumentParser(description="Measure appends under open streams.")
    parser.add_argument("--url", help="the database; an SQLite file unless given")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--viewers", type=int, default=AGENTS)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--read", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        port, *paths = given.read
        asyncio.run(read_streams(int(port), paths))
        return
    options = Options(given.streams, given.seconds, min(given.viewers, given.streams))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as directory:
        url = given.url or f"sqlite+aiosqlite:///{directory}/serving.sqlite3"
        asyncio.run(measure(options, url))


if __name__ == "__main__":
    main()
