"""
How the pieces of an answer are sent.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asm_async.integrations.fastapi.streams import Sender


class Client:
    """
    Takes what is sent, as long as it has room.
    """

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.has_room = asyncio.Event()

    async def send(self, message: Any) -> None:
        """
        Take a message once there is room.
        """
        await self.has_room.wait()
        self.messages.append(message)

    @property
    def bodies(self) -> list[bytes]:
        """
        What has come after the head.
        """
        return [message["body"] for message in self.messages[1:]]


async def test_pieces_that_wait_are_sent_together_and_in_order() -> None:
    """
    What is written before the sender's turn goes out as one message, and the last ends.
    """
    client = Client()
    client.has_room.set()
    sender = Sender(client.send, 200, [])
    sending = asyncio.create_task(sender.run())
    for piece in (b"a", b"b", b"c"):
        await sender.write(piece)
    await sender.drain()
    await sender.write(b"d")
    sender.finish(b"e")
    await sending

    assert client.messages[0]["type"] == "http.response.start"
    assert client.bodies == [b"abc", b"de"]
    assert [message.get("more_body") for message in client.messages[1:]] == [
        True,
        False,
    ]


async def test_whoever_writes_much_waits_for_the_client() -> None:
    """
    No more than some small pieces, or a large one, wait for a client without room.
    """
    client = Client()
    sender = Sender(client.send, 200, [])
    sending = asyncio.create_task(sender.run())
    written = 0

    async def write() -> None:
        nonlocal written
        for _ in range(100):
            await sender.write(b"x" * 10_000)
            written += 1

    writing = asyncio.create_task(write())
    await asyncio.wait({writing}, timeout=0.05)
    assert written == 6
    client.has_room.set()
    await writing
    sender.finish(b"")
    await sending

    assert sum(map(len, client.bodies)) == 1_000_000


async def test_a_heartbeat_is_sent_only_where_nothing_else_is() -> None:
    """
    Neither before the answer has begun nor while pieces wait.
    """
    client = Client()
    sender = Sender(client.send, 200, [])
    sending = asyncio.create_task(sender.run())
    sender.beat(b":")
    await sender.write(b"a")
    sender.beat(b":")
    client.has_room.set()
    await sender.drain()
    sender.beat(b":")
    await sender.drain()
    sender.finish(b"")
    await sending

    assert client.bodies == [b"a", b":", b""]
