"""
A process that forks writers, which are ready much sooner than ones that are started.

It takes a URL. Each line it reads orders a writer: a name for its events, how many
tasks shall write, how many events each (0: without end), and the sessions. It answers
"forked NAME PID". The writers begin at the line "go", or at once after it. Of every
event that it was told is stored a writer says "stored SESSION ID NUMBER". When there
are no more lines, the process waits for the writers and says "ended PID STATUS" of
each.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from itertools import count, islice

from asm_async import Event, EventType, open_store
from asm_async.sql import SQLSessionStore


def main(url: str) -> None:
    """
    Fork a writer for each order.
    """
    starting_line, starter = os.pipe()
    writers: list[int] = []
    for order in sys.stdin:
        if order == "go\n":
            os.close(starter)
            starter = -1
            continue
        name, *how = order.split()
        writer = os.fork()
        if not writer:
            if starter >= 0:
                os.close(starter)
            # Nobody writes to this pipe; it ends when all have closed their other end.
            os.read(starting_line, 1)
            asyncio.run(write_all(url, name, *how))
            return
        writers.append(writer)
        say(f"forked {name} {writer}")
    for writer in writers:
        say(f"ended {writer} {os.waitpid(writer, 0)[1]}")


async def write_all(
    url: str, name: str, tasks: str, events: str, *sessions: str
) -> None:
    """
    Write with several tasks, which share a store.
    """
    async with open_store(url) as store, asyncio.TaskGroup() as group:
        for task in range(int(tasks)):
            prefix = f"{name}-{task}"
            group.create_task(write(store, prefix, int(events) or None, sessions))


async def write(
    store: SQLSessionStore, prefix: str, events: int | None, sessions: tuple[str, ...]
) -> None:
    """
    Append events one at a time, or two to different sessions in one batch.
    """
    for number in islice(count(), events):
        batch = [
            Event.new(
                id=f"{prefix}-{number}",
                type=EventType.MESSAGE_SENT,
                session_id=session_id,
            )
            for session_id in random.sample(sessions, k=random.randint(1, 2))
        ]
        for event in await store.append_events(batch):
            say(f"stored {event.session_id} {event.id} {event.sequence_number}")


def say(line: str) -> None:
    """
    Tell the test, in one piece.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


main(*sys.argv[1:])
