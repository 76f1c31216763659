"""
A client of server-sent events, as the WHATWG's HTML standard has it (section 9.2).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx

__all__ = ["EventSource", "Message", "open_stream"]


@attrs.frozen(kw_only=True)
class Message:
    """
    What was sent between two empty lines.
    """

    id: str
    """
    The last id that was sent, with this message or before.
    """

    event: str
    """
    Its kind; ``message`` unless it was named.
    """

    data: Any
    """
    What its JSON says; None if it has no data.
    """


class EventSource:
    """
    Reads the messages of one connection.
    """

    def __init__(self, answer: httpx.Response, last_event_id: str) -> None:
        self.answer = answer
        self.last_event_id = last_event_id
        self.lines = answer.aiter_lines()

    async def next(self) -> Message | None:
        """
        Give the next message that has data; None when the server has ended the stream.
        """
        data, event = "", "message"
        async for line in self.lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data = value
            elif name == "event":
                event = value
            elif name == "id":
                self.last_event_id = value
            elif not line and data:
                return Message(
                    id=self.last_event_id, event=event, data=json.loads(data)
                )
            elif not line:
                event = "message"
        return None

    async def take(self, count: int) -> list[Message]:
        """
        Return the next messages: so many, or fewer if the stream ends before.
        """
        found: list[Message] = []
        while len(found) < count and (message := await self.next()):
            found.append(message)
        return found


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient, url: str, last_event_id: str = "", **options: Any
) -> AsyncGenerator[EventSource]:
    """
    Open a stream, and break the connection off when the block is left.
    """
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with client.stream("GET", url, headers=headers, **options) as answer:
        yield EventSource(answer, last_event_id)
