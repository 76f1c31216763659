"""
The chat service among the examples, run as a user would run it, and killed.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.example_servers import EXAMPLES, example_server

ADA = {"Authorization": "Bearer ada's token"}
BOB = {"Authorization": "Bearer bob's token"}


def service(
    directory: Path, *, stopped_by: signal.Signals = signal.SIGTERM
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """
    Run the service on the database of a directory, for Ada.
    """
    url = f"sqlite+aiosqlite:///{directory / 'chats.sqlite3'}"
    return example_server(
        *("-m", "uvicorn", "chat_service:app", "--app-dir", EXAMPLES),
        environment={"ASM_DATABASE_URL": url, "CHAT_LEASE_SECONDS": "0.5"},
        stopped_by=stopped_by,
        headers=ADA,
        timeout=30,
    )


async def begin_chat(client: httpx.AsyncClient) -> str:
    """
    Begin a chat, and return its id.
    """
    return str((await client.post("/chats")).json()["id"])


async def say(client: httpx.AsyncClient, chat: str, text: str) -> httpx.Response:
    """
    Say something, and return the answer.
    """
    return await client.post(f"/chats/{chat}/messages", json=text)


async def runs_of(client: httpx.AsyncClient, chat: str) -> list[dict[str, Any]]:
    """
    Return the runs of a chat.
    """
    runs: list[dict[str, Any]]
    runs = (await client.get(f"/asm/sessions/{chat}/runs")).json()["items"]
    return runs


async def wait_for_statuses(
    client: httpx.AsyncClient, chat: str, statuses: set[str]
) -> None:
    """
    Wait until the runs of a chat have these statuses.
    """
    async with asyncio.timeout(20):
        while True:
            if {run["status"] for run in await runs_of(client, chat)} == statuses:
                return
            await asyncio.sleep(0.02)


async def test_a_chat_uses_a_tool_is_renamed_forked_counted_and_erased(
    tmp_path: Path,
) -> None:
    """
    What a user does with chats, none of which another user sees.
    """
    async with service(tmp_path) as client:
        first, second = await begin_chat(client), await begin_chat(client)
        await say(client, second, "Hello!")
        counted = await say(client, first, 'How many letters has "strawberry"?')
        await client.patch(f"/chats/{first}", json="Letters")
        chats = (await client.get("/chats")).json()
        fork = await client.post(f"/chats/{second}/forks", params={"through": 3})
        again = await say(client, fork.json()["id"], "Hello again!")
        usage = (await client.get("/asm/usage?user_id=ada")).json()
        url = f"/asm/sessions/{first}/events/stream"
        async with open_stream(client, url) as source:
            events = [message.data["type"] for message in await source.take(6)]

        assert (counted.status_code, counted.json()) == (200, "It has 10 letters.")
        assert again.json() == "You have said 2 things to me."
        assert [chat["id"] for chat in chats] == [first, second]
        assert chats[0]["metadata"] == {"title": "Letters"}
        assert usage["total_input_tokens"] > usage["total_output_tokens"] > 0
        assert events == [
            "run_started",
            "message_sent",
            "tool_call_started",
            "tool_call_completed",
            "message_received",
            "run_completed",
        ]

        elsewhere = await client.get("/chats", headers=BOB)
        refused = await client.patch(f"/chats/{first}", json="Mine", headers=BOB)
        unknown = await client.get("/chats", headers={"Authorization": "Bearer x"})
        described = (await client.get("/openapi.json")).json()
        ready = await client.get("/health/ready", headers={"Authorization": ""})
        assert elsewhere.json() == []
        assert refused.status_code == HTTPStatus.NOT_FOUND
        assert unknown.status_code == HTTPStatus.UNAUTHORIZED
        assert list(described["components"]["securitySchemes"]) == ["HTTPBearer"]
        assert described["paths"]["/chats"]["get"]["security"] == [{"HTTPBearer": []}]
        assert ready.status_code == HTTPStatus.OK

        assert (await client.delete("/me")).json() == 3
        assert (await client.get("/chats")).json() == []


async def test_a_chat_whose_process_was_killed_goes_on(tmp_path: Path) -> None:
    """
    Its run is ended by the next process, once; a second run beside it is refused.
    """
    async with service(tmp_path, stopped_by=signal.SIGKILL) as client:
        chat = await begin_chat(client)
        await say(client, chat, "Hello!")
        thinking = asyncio.create_task(say(client, chat, "Think for 60 seconds."))
        await wait_for_statuses(client, chat, {"completed", "running"})
        beside = await say(client, chat, "Are you there?")
    await asyncio.gather(thinking, return_exceptions=True)

    async with service(tmp_path) as client:
        await wait_for_statuses(client, chat, {"completed", "failed"})
        answer = await say(client, chat, "Are you there?")
        runs = await runs_of(client, chat)

    assert beside.status_code == HTTPStatus.CONFLICT
    assert beside.json()["code"] == "run_in_progress"
    assert answer.json() == "You have said 3 things to me."
    assert sorted(run["status"] for run in runs) == ["completed", "completed", "failed"]
    (interrupted,) = [run for run in runs if run["error"]]
    assert interrupted["error"]["code"] == "interrupted"
