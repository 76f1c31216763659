"""
A process that forks writers, which are ready much sooner than ones that are started.

It takes a URL and a directory. Each line it reads orders a writer: a name for its
history and its events, how many tasks shall write, how many events each (0: without
end), and the sessions. It answers "forked NAME PID". The writers begin at the line
"go", or at once after it. Each writes its history to a file of its name in the
directory, and says "stored NAME EVENTS" of every batch that it was told is stored. When
there are no more lines, the process waits for the writers and says "ended PID STATUS"
of each.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from asm_async import Event, EventType, open_store
from asm_async.ports.session_store import SessionStore
from asm_async.testing.history import HistoryWriter, RecordingSessionStore


def main(url: str, directory: str) -> None:
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
            asyncio.run(write_all(url, Path(directory), name, *how))
            return
        writers.append(writer)
        say(f"forked {name} {writer}")
    for writer in writers:
        say(f"ended {writer} {os.waitpid(writer, 0)[1]}")


async def write_all(
    url: str, directory: Path, name: str, tasks: str, events: str, *sessions: str
) -> None:
    """
    Write with several tasks, which share a store.
    """
    with HistoryWriter(directory / f"{name}.jsonl") as history:
        async with open_store(url) as store, asyncio.TaskGroup() as group:
            recording = RecordingSessionStore(store, history)
            for task in range(int(tasks)):
                ids = islice(ids_of(f"{name}-{task}"), int(events) or None)
                group.create_task(write(recording, name, ids, sessions))


def ids_of(task: str) -> Iterator[str]:
    """
    Give the ids of a task's events, without end.
    """
    for number in count():
        yield f"{task}-{number}"


async def write(
    store: SessionStore, name: str, ids: Iterator[str], sessions: tuple[str, ...]
) -> None:
    """
    Append events one at a time, or two to different sessions in one batch.
    """
    for id_ in ids:
        batch = [
            Event.new(id=id_, type=EventType.MESSAGE_SENT, session_id=session_id)
            for session_id in random.sample(sessions, k=random.randint(1, 2))
        ]
        await store.append_events(batch)
        say(f"stored {name} {len(batch)}")


def say(line: str) -> None:
    """
    Tell the test, in one piece.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


main(*sys.argv[1:])
