"""
A process whose children save, fork and delete conversations until they are killed.

Called with a database's URL and how many are to be killed, two at a time. Children are
forked, since what they import takes long. They say on each line what they are about to
do, or what was acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time

from pydantic_ai.conversation_store import ConversationConflict

from asm_async import open_ports
from asm_async.integrations.pydantic_ai import AsmConversationStore
from tests.frameworks.pydantic_ai.told_conversations import begin, said


async def work(url: str, name: str) -> None:
    """
    Begin a conversation, go on with it, fork it and delete it, again and again.
    """
    async with open_ports(url) as ports:
        store, chance = AsmConversationStore(ports), random.Random(name)
        number = 0
        while True:
            number += 1
            source, fork = f"{name} {number}", f"{name} {number} fork"
            tell("begins", source)
            await begin(store, source, "1", "2")
            tell("saved", source, 2)
            forked = await store.fork(source, at=1, new_conversation_id=fork)
            tell("saved", fork, 1)
            forked.messages += said("a", "b", "c")
            await store.save(forked)
            tell("saved", fork, 4)
            if chance.random() < 0.7:
                tell("deletes", source)
                await store.delete(source)
                tell("deleted", source)
            with_others = await store.load("shared")
            if with_others is not None:
                with_others.messages += said(f"{name} {number}")
                try:
                    await store.save(with_others)
                except ConversationConflict:
                    continue
                tell("added", f"{name} {number}")


def tell(*words: object) -> None:
    """
    Say something on a line of its own, at once, and whole.
    """
    os.write(1, ("\t".join(map(str, words)) + "\n").encode())


def kill_in_turn(url: str, kills: int) -> None:
    """
    Have two children at a time work for a moment, and kill them.
    """
    chance = random.Random(kills)
    for first in range(0, kills, 2):
        children = list[int]()
        for number in (first, first + 1):
            child = os.fork()
            if not child:
                asyncio.run(work(url, f"process-{number}"))
            children.append(child)
        for child in children:
            time.sleep(chance.uniform(0.2, 0.8))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    kill_in_turn(sys.argv[1], int(sys.argv[2]))
