"""
A process that forks writers, which are ready much sooner than ones that are started.

It takes a URL and a directory. Each line it reads orders a writer: a name for its
history and its events, the kind of its work (``appends``, ``mixed``, ``runs`` or
``recovery``), a seed, whose history to read for calls of unknown outcome, which are
repeated first ("-": nobody's), how many tasks shall write, how many calls each (0:
without end), and the sessions. It answers "forked NAME PID". The writers begin at the
line "go", or at once after it. Each writes its history to a file of its name in the
directory, and says "stored NAME NUMBER" when it was told that something is stored: of
appends how many events, of mixed work how many calls, of runs that are recorded each
step, of a recovery how many runs it has ended, whose ids it leaves in a file. When
there are no more lines, the process waits for the writers and says "ended PID STATUS"
of each.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from random import Random
from types import MappingProxyType

import attrs

from asm_async import Event, EventType, open_ports
from asm_async.errors import SequenceConflictError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.history import (
    HistoryWriter,
    Outcome,
    RecordingSessionStore,
    read_history,
)
from tests.fault.mixed_writing import MixedWriter
from tests.fault.recorded_runs import (
    LEASE_SECONDS,
    leave_ended,
    ports_with,
    record_one,
    recover,
)

_SLOW_SHARE = 0.05


@attrs.frozen
class Order:
    """
    What one writer shall do.
    """

    name: str
    kind: str
    random: Random
    repeated: str
    tasks: int
    calls: int
    sessions: Sequence[str]

    @classmethod
    def from_line(cls, line: str) -> Order:
        """
        Read the line that orders it.
        """
        name, kind, seed, repeated, tasks, calls, *sessions = line.split()
        return cls(name, kind, Random(seed), repeated, int(tasks), int(calls), sessions)


def main(url: str, directory: str) -> None:
    """
    Fork a writer for each order.
    """
    starting_line, starter = os.pipe()
    writers: list[int] = []
    for line in sys.stdin:
        if line == "go\n":
            os.close(starter)
            starter = -1
            continue
        order = Order.from_line(line)
        writer = os.fork()
        if not writer:
            if starter >= 0:
                os.close(starter)
            # Nobody writes to this pipe; it ends when all have closed their other end.
            os.read(starting_line, 1)
            asyncio.run(write_all(url, Path(directory), order))
            return
        writers.append(writer)
        say(f"forked {order.name} {writer}")
    for writer in writers:
        say(f"ended {writer} {os.waitpid(writer, 0)[1]}")


async def write_all(url: str, directory: Path, order: Order) -> None:
    """
    Write with several tasks, which share a store.
    """
    with HistoryWriter(directory / f"{order.name}.jsonl") as history:
        async with open_ports(url) as ports, asyncio.TaskGroup() as group:
            recording = RecordingSessionStore(ports.store, history)
            if order.kind == "recovery":
                ended = await recover(ports_with(ports, recording))
                leave_ended(directory, order.name, ended)
                say(f"stored {order.name} {len(ended)}")
                return
            if order.repeated != "-":
                await repeat(recording, directory / f"{order.repeated}.jsonl")
            write = WORKS[order.kind]
            for task in range(order.tasks):
                random = Random(order.random.getrandbits(32))
                group.create_task(write(recording, order, task, random))


async def repeat(store: SessionStore, path: Path) -> None:
    """
    Repeat the appends of unknown outcome, which is always safe.
    """
    for call in read_history(path):
        if call.operation != "append_events" or call.outcome is not Outcome.UNKNOWN:
            continue
        # It may not have been carried out, and others may have come first.
        with suppress(SequenceConflictError):
            await store.append_events(
                [Event.from_dict(event) for event in call.arguments["events"]],
                expected_sequence=call.arguments.get("expected_sequence"),
            )


async def append(store: SessionStore, order: Order, task: int, random: Random) -> None:
    """
    Append events one at a time, or two to different sessions in one batch.
    """
    for number in numbers(order):
        batch = [
            Event.new(
                id=f"{order.name}-{task}-{number}",
                type=EventType.MESSAGE_SENT,
                session_id=session_id,
            )
            for session_id in random.sample(order.sessions, k=random.randint(1, 2))
        ]
        await store.append_events(batch)
        say(f"stored {order.name} {len(batch)}")


async def work(store: SessionStore, order: Order, task: int, random: Random) -> None:
    """
    Do a bit of everything.
    """
    writer = MixedWriter(store, f"{order.name}-{task}", order.sessions, random)
    for _ in numbers(order):
        if await writer.do_one():
            say(f"stored {order.name} 1")


async def record(store: SessionStore, order: Order, task: int, random: Random) -> None:
    """
    Record run after run, of a few steps each.
    """
    for number in numbers(order):
        name = f"{order.name}-{task}-{number}"
        session_id = random.choice(order.sessions)
        # Some last for longer than their lease, which is renewed meanwhile.
        pause = LEASE_SECONDS if random.random() < _SLOW_SHARE else 0.0
        await record_one(
            store,
            session_id,
            name,
            lambda: say(f"stored {order.name} 1"),
            turns=random.randint(1, 3),
            pause=pause,
        )


WORKS = MappingProxyType({"appends": append, "mixed": work, "runs": record})


def numbers(order: Order) -> Iterator[int]:
    """
    Count a task's calls, without end if there is none.
    """
    return islice(count(), order.calls or None)


def say(line: str) -> None:
    """
    Tell the test, in one piece.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


main(*sys.argv[1:])
