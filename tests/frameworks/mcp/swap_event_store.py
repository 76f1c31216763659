"""
Put our event store in the place of the one that the framework's tests use.

These expect the ids 1, 2, 3 and so on: ours, which nobody can guess, are counted here.
"""

from __future__ import annotations

import importlib
import os

import anyio
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage

from asm_async import InMemoryPorts
from asm_async.integrations.mcp import AsmEventStore


class CountedEventStore(EventStore):
    """
    Ours, with ids that count.
    """

    def __init__(self) -> None:
        url = os.environ["ASM_SWAP_URL"]
        self._store = (
            AsmEventStore.from_url(url) if url else AsmEventStore(InMemoryPorts())
        )
        self._ids: list[str] = []
        self._stored = anyio.Condition()

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """
        Store an event, and return how many there are.
        """
        event_id = await self._store.store_event(stream_id, message)
        async with self._stored:
            self._ids.append(event_id)
            self._stored.notify_all()
            return str(len(self._ids))

    async def wait_until_stored(self, count: int) -> None:
        """
        Wait until there are so many events.
        """
        async with self._stored:
            while len(self._ids) < count:
                await self._stored.wait()

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """
        Send what came after an event, under the numbers that the events have here.
        """
        numbers = {str(i + 1): event_id for i, event_id in enumerate(self._ids)}

        async def send(message: EventMessage) -> None:
            number = self._ids.index(message.event_id or "") + 1
            await send_callback(EventMessage(message.message, str(number)))

        known = numbers.get(last_event_id, last_event_id)
        return await self._store.replay_events_after(known, send)


theirs = importlib.import_module("tests.interaction.transports._event_store")
vars(theirs)["SequencedEventStore"] = CountedEventStore
