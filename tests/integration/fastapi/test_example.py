"""
The example application, run as a user would run it; its page has tests of its own.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.example_servers import EXAMPLES, example_server


def example(
    directory: Path, *, stopped_by: signal.Signals = signal.SIGTERM
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """
    Run the example on the database of a directory, and prove that it stops when told.
    """
    url = f"sqlite+aiosqlite:///{directory / 'a.sqlite3'}"
    script = EXAMPLES / "fastapi_app.py"
    return example_server(script, "--url", url, stopped_by=stopped_by)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Start the example on an empty database.
    """
    async with example(tmp_path) as client:
        yield client


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
    assert run["token_usage"]["output_tokens"] == len(run["output"].split())


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGKILL"])
async def test_a_run_that_is_cut_short_is_ended(tmp_path: Path, stop: str) -> None:
    """
    An agent at work does not keep the server from stopping.

    If the server is killed, the next one ends the run.
    """
    async with example(tmp_path, stopped_by=signal.Signals[stop]) as client:
        message = {"message": "weather and train"}
        accepted = await client.post("/chat", json=message)
        session = f"/asm/sessions/{accepted.json()['session_id']}"
        async with open_stream(client, f"{session}/events/stream") as source:
            await source.take(3)

    async with example(tmp_path) as client:
        async with asyncio.timeout(20):
            while True:
                (run,) = (await client.get(f"{session}/runs")).json()["items"]
                if run["status"] != "running":
                    break
                await asyncio.sleep(0.05)
        events = (await client.get(f"{session}/events")).json()["items"]

    ends = {"SIGTERM": "cancelled", "SIGKILL": "failed"}
    assert run["status"] == ends[stop]
    assert events[-1]["type"] == f"run_{ends[stop]}"


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
