"""
A process that chats until it is killed.

Usage: ``killed_chat.py URL``. After each turn it prints the number of the turn, which
is acknowledged then. Every fifth turn it prunes.
"""

from __future__ import annotations

import asyncio
import sys

from asm_async import open_ports
from asm_async.integrations.langgraph import AsmCheckpointSaver
from tests.frameworks.langgraph.chats import TEXT, chat_with, say, thread


async def chat_on(url: str) -> None:
    """
    Have turns without end, from where the thread is.
    """
    async with open_ports(url) as ports:
        saver = AsmCheckpointSaver(ports)
        chat = chat_with(saver)
        state = await chat.aget_state(thread("t"))
        turn = len(state.values.get("messages", ())) // 2
        while True:
            await say(chat, "t", f"{turn} {TEXT}")
            print(turn, flush=True)  # noqa: T201 - what the test reads
            turn += 1
            if turn % 5 == 0:
                await saver.aprune(["t"])


asyncio.run(chat_on(sys.argv[1]))
