"""
Servers in processes of their own, stopped as process managers stop them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from asm_async import Run, RunStatus
from asm_async.integrations.fastapi import StoreDep, lifespan
from tests.integration.fastapi.serving import application

__all__ = ["Worker", "make_app", "open_worker"]

ROOT = Path(__file__).parents[3]
_URL_VARIABLE = "ASM_TEST_SERVED_URL"
_LONGEST_STOP_SECONDS = 10


def make_app() -> FastAPI:
    """
    Make the application of a worker, over the database that the environment names.

    It has a route that streams an agent's answer, and saves when it is broken off.
    """
    app = application(lifespan(os.environ[_URL_VARIABLE], migrate=True))

    @app.post("/sessions/{session_id}/answer")
    async def answer(session_id: str, store: StoreDep) -> StreamingResponse:
        run = Run.new(session_id=session_id).update_status(RunStatus.RUNNING)
        run = await store.save_run(run)

        async def speak() -> AsyncGenerator[str]:
            try:
                yield run.id
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                with anyio.CancelScope(shield=True):
                    # What an agent tidies up first.
                    await asyncio.sleep(0.2)
                    await store.save_run(run.update_status(RunStatus.CANCELLED))
                raise

        return StreamingResponse(speak())

    return app


@attrs.frozen
class Worker:
    """
    A server in a process of its own.
    """

    url: str
    """
    Where it serves.
    """

    process: asyncio.subprocess.Process
    """
    Its process.
    """

    async def stop(self) -> tuple[int, str]:
        """
        Ask it to stop, wait for it, and give its exit code and what it said.
        """
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_LONGEST_STOP_SECONDS):
            _, said = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()


@asynccontextmanager
async def open_worker(database_url: str, *options: str) -> AsyncGenerator[Worker]:
    """
    Serve an application in a process of its own, with no bound on its stopping.

    Args:
        database_url: What it serves.

        options: Further ones for uvicorn's command line.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "uvicorn"),
        *("--factory", "tests.integration.fastapi.workers:make_app"),
        *("--fd", str(listener.fileno()), *options),
        cwd=ROOT,
        env={**os.environ, _URL_VARIABLE: database_url},
        pass_fds=[listener.fileno()],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    host, port = listener.getsockname()
    listener.close()
    try:
        yield Worker(f"http://{host}:{port}", process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
