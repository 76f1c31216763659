"""
The ports for as long as an application runs, which ends when the server is to stop.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import FrameType
from typing import Any, TypeAlias

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.integrations.fastapi.ports import AppState
from asm_async.ports.together import Ports
from asm_async.sql import Readers, SQLPorts, create_engine, migrations
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.readers.readers import readers_of
from asm_async.sql.runtime.engine import Durability, dispose_within

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]
"""
What ``FastAPI(lifespan=...)`` takes. One that an application has already enters it::

    @asynccontextmanager
    async def my_lifespan(app):
        async with lifespan(url)(app):
            yield
"""


def lifespan(
    url: str | sa.URL,
    *,
    migrate: bool = False,
    timeout: float = 30.0,
    durability: Durability = "full",
    readers: Sequence[str | sa.URL] = (),
    max_lag: float = 10.0,
    **options: Any,
) -> Lifespan:
    """
    Open the ports over a database of this URL, and close them when the server stops.

    Requests that the server cancels when it stops have 5 seconds to save their end
    before the ports are closed, if they use these or the router's routes.

    Open streams end when the process is asked to stop (SIGINT, SIGTERM), so that no
    server waits for them. One that is stopped in another way, such as from another
    thread, has to call
    :func:`~asm_async.integrations.fastapi.streams.end_streams`.

    Args:
        url: As for :func:`~asm_async.open_store`.

        migrate: Bring the database's schema up to date first; of several workers that
            start at once one does it, and the others wait.

        timeout: As for :class:`~asm_async.sql.session_store.SQLSessionStore`.

        durability: As for :func:`~asm_async.sql.create_engine`.

        readers: As for :func:`~asm_async.open_ports`.

        max_lag: As there.

        options: For SQLAlchemy's ``create_async_engine``.

    Returns:
        What ``FastAPI(lifespan=...)`` takes, and what a lifespan of the application's
        own may enter. Starting it raises what ``open_store`` does.
    """

    @asynccontextmanager
    async def span(app: FastAPI) -> AsyncGenerator[None]:
        seconds = check_timeout(timeout)
        async with AsyncExitStack() as closing:
            engine = create_engine(url, durability=durability, **options)
            closing.push_async_callback(dispose_within, engine, seconds)
            standbys = readers_of(
                engine, readers, timeout=timeout, max_lag=max_lag, **options
            )
            if standbys is not None:
                await closing.enter_async_context(standbys)
            serve = engine_lifespan(
                engine, migrate=migrate, timeout=timeout, readers=standbys
            )
            await closing.enter_async_context(serve(app))
            yield

    return span


def engine_lifespan(
    engine: AsyncEngine,
    *,
    migrate: bool = False,
    timeout: float = 30.0,
    readers: Readers | None = None,
) -> Lifespan:
    """
    Open the ports over an engine of the application's, which stays the application's.

    Args:
        engine: As for :class:`~asm_async.sql.session_store.SQLSessionStore`.

        migrate: As for :func:`lifespan`.

        timeout: As for :func:`lifespan`.

        readers: Standbys to read from, which stay the application's.
    """

    @asynccontextmanager
    async def span(app: FastAPI) -> AsyncGenerator[None]:
        ports = SQLPorts(engine, timeout=timeout, readers=readers)
        if migrate:
            await migrations.upgrade(engine, timeout=timeout)
        await ports.store.open()
        async with ports_lifespan(ports)(app):
            yield

    return span


def ports_lifespan(ports: Ports) -> Lifespan:
    """
    Serve these ports, over any database, and close them in the end.

    Args:
        ports: All over the same database.
    """

    @asynccontextmanager
    async def span(app: FastAPI) -> AsyncGenerator[None]:
        state = AppState(ports=ports)
        app.state.asm_async = state
        try:
            with on_stop_signal(state.streams.end):
                yield
        finally:
            state.streams.end()
            await state.readiness.aclose()
            try:
                await state.wait_for_requests()
            finally:
                del app.state.asm_async
                await ports.aclose()

    return span


_Handler: TypeAlias = Callable[[int, FrameType | None], Any]


@contextmanager
def on_stop_signal(call: Callable[[], object]) -> Generator[None]:
    """
    Call back when the process is asked to stop, before any other handler of the signal.

    Servers wait for open responses before they end the application's lifespan, and tell
    the application nothing before that: a stream that waited for the lifespan's end
    would never end. What starts a server's stop is a signal, so that one is handled
    here first, and then passed on to the handler that was there: the server's.

    Signals have handlers in the main thread alone, and a signal that has no handler
    ends the process: in both cases there is nothing to wait for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    with ExitStack() as handling:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):

                def chained(
                    signum: int,
                    frame: FrameType | None,
                    handler: _Handler = handler,
                ) -> None:
                    # A handler may run within any line of the loop's own code.
                    loop.call_soon_threadsafe(call)
                    handler(signum, frame)

                signal.signal(number, chained)
                handling.callback(_restore, number, chained, handler)
        yield


def _restore(number: signal.Signals, ours: _Handler, handler: _Handler) -> None:
    # Another may have taken the place of ours since.
    if signal.getsignal(number) is ours:
        signal.signal(number, handler)
