"""
An example's server, run as a user would run it, and stopped or killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

import asm_async

__all__ = ["EXAMPLES", "example_server"]

EXAMPLES = Path(__file__).parents[3] / "examples"

_START_SECONDS = 30
_STOP_SECONDS = 30


@asynccontextmanager
async def example_server(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    stopped_by: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Run ``python *arguments --port N``, and stop it by a signal on leaving.

    Yields:
        A client of it, with *options*.

    Raises:
        AssertionError: If it does not start, or has said anything of a traceback.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments, "--port", str(port)),
        env={
            **os.environ,
            "PYTHONPATH": str(Path(asm_async.__file__).parents[1]),
            **(environment or {}),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    try:
        async with asyncio.timeout(_START_SECONDS):
            while b"Uvicorn running" not in said:
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, **options) as client:
            yield client
        process.send_signal(stopped_by)
        async with asyncio.timeout(_STOP_SECONDS):
            _, rest = await process.communicate()
        assert b"Traceback" not in said + rest, (said + rest).decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
