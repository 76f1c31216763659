"""
The example application, run as a user would run it; its page has tests of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

import asm_async
from tests.integration.fastapi.event_source import open_stream

EXAMPLE = Path(__file__).parents[3] / "examples" / "fastapi_app.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(asm_async.__file__).parents[1])}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Start the example on an empty database, and prove that it stops when told.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, EXAMPLE, "--port", str(port)),
        *("--url", f"sqlite+aiosqlite:///{tmp_path / 'a.sqlite3'}"),
        env=ENVIRONMENT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b"Uvicorn running" not in await process.stderr.readline():
                assert process.returncode is None
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            _, said = await process.communicate()
        assert b"Traceback" not in said, said.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_the_agent_answers_while_its_session_streams(
    client: httpx.AsyncClient,
) -> None:
    """
    A message is accepted at once, and what the agent does comes through the stream.
    """
    accepted = await client.post("/chat", json={"message": "When does the train go?"})
    session_id = accepted.json()["session_id"]

    url = f"/asm/sessions/{session_id}/events/stream"
    async with open_stream(client, url) as source:
        events = [message.data for message in await source.take(6)]
    run = (await client.get(f"/asm/sessions/{session_id}/runs")).json()["items"][0]

    assert accepted.status_code == HTTPStatus.ACCEPTED
    assert [event["type"] for event in events] == [
        "run_started",
        "message_sent",
        "tool_call_started",
        "tool_call_completed",
        "message_received",
        "run_completed",
    ]
    assert run["status"] == "completed"
    assert run["output"] == events[4]["data"]["content"]
    assert run["token_usage"] == {"input_tokens": 5, "output_tokens": 9}


async def test_a_run_that_is_cut_short_is_recorded_so(
    client: httpx.AsyncClient,
) -> None:
    """
    An agent at work does not keep the server from stopping.
    """
    accepted = await client.post("/chat", json={"message": "weather and train"})

    assert accepted.status_code == HTTPStatus.ACCEPTED


async def test_the_demo_serves_its_own_machine_alone(
    client: httpx.AsyncClient,
) -> None:
    """
    A page of another site that calls this machine by its own name gets nothing.
    """
    page = await client.get("/")
    foreign = await client.get("/asm/sessions", headers={"Host": "evil.example"})
    unknown = await client.post(
        "/chat", json={"message": "hello", "session_id": "ses_0"}
    )

    assert page.headers["content-type"].startswith("text/html")
    assert foreign.status_code == HTTPStatus.FORBIDDEN
    assert unknown.status_code == HTTPStatus.NOT_FOUND
