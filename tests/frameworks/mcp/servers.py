"""
An MCP server over HTTP, and what its clients say to it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx
import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette

VERSION = "2025-11-25"
HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": VERSION,
}


def speaking_server(may_answer: asyncio.Event | None = None) -> MCPServer:
    """
    Return a server whose tool ``say`` answers its caller, once it may.
    """
    server = MCPServer("speaker")

    @server.tool()
    async def say(words: str) -> str:
        """
        Say what was asked for.
        """
        if may_answer is not None:
            await may_answer.wait()
        return f"said {words}"

    return server


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """
    Serve an application as long as the block lasts; yield its address.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="error", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            server.should_exit = server.force_exit = True
            await task


@attrs.frozen
class Said:
    """
    An event as it came over a stream.
    """

    id: str
    message: dict[str, Any] | None


@attrs.define
class Client:
    """
    A client that sees what goes over the wire.
    """

    http: httpx.AsyncClient
    url: str
    headers: dict[str, str]

    @classmethod
    async def begin(cls, http: httpx.AsyncClient, url: str) -> Client:
        """
        Begin an MCP session.
        """
        client = cls(http, url, dict(HEADERS))
        params = {
            "protocolVersion": VERSION,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        async with client.call(0, "initialize", params) as response:
            client.headers["mcp-session-id"] = response.headers["mcp-session-id"]
            async for said in events(response):
                if said.message is not None:
                    break
        body = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        answer = await http.post(url, json=body, headers=client.headers)
        assert answer.status_code == 202
        return client

    @asynccontextmanager
    async def call(
        self, request_id: int, method: str, params: Any
    ) -> AsyncIterator[httpx.Response]:
        """
        Send a request, and yield the response with its stream.
        """
        body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        async with self.http.stream(
            "POST", self.url, json=body, headers=self.headers
        ) as response:
            assert response.status_code == 200
            yield response

    def say(self, request_id: int, words: str) -> Any:
        """
        Call the tool.
        """
        params = {"name": "say", "arguments": {"words": words}}
        return self.call(request_id, "tools/call", params)

    async def replay(
        self, event_id: str, *, until: Callable[[Said], bool]
    ) -> list[Said]:
        """
        Come back with the id of the last event seen; return what is sent then.

        Args:
            event_id: That id.

            until: With which event to stop; where the stream ends, or nothing comes for
                a second, it is over, too.
        """
        headers = {**self.headers, "last-event-id": event_id}
        found: list[Said] = []
        async with self.http.stream("GET", self.url, headers=headers) as response:
            assert response.status_code == 200
            try:
                async with asyncio.timeout(1.0):
                    async for said in events(response):
                        found.append(said)
                        if until(said):
                            break
            except TimeoutError:
                pass
        return found


async def events(response: httpx.Response) -> AsyncGenerator[Said]:
    """
    Yield the events of a stream.
    """
    event_id, data = "", ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(":")
        if name == "id":
            event_id = value.strip()
        elif name == "data":
            data += value.strip()
        elif not line and event_id:
            yield Said(event_id, json.loads(data) if data else None)
            event_id, data = "", ""
