"""
A process whose children append events of ADK to sessions at the same time.

``write URL WRITERS SESSIONS EVENTS``: each of so many children writes so many events to
each of the sessions ``s0``, ``s1`` and so on.

``kill URL KILLS SECONDS``: one child after the other writes to ``s0`` without an end,
and is killed after a random time; says which events were acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count

from google.adk.errors import StaleSessionError

from asm_async import open_ports
from asm_async.integrations.google_adk import AsmSessionService
from tests.frameworks.google_adk.adk_events import said, usage


async def append(service: AsmSessionService, session_id: str, key: str) -> None:
    """
    Append an event that sets a key of all scopes, from what is read anew as needed.
    """
    event = said(
        key,
        author="agent",
        invocation_id=f"e-{session_id}",
        id=key,
        # The clocks of all writers stand, and stand at the same time.
        timestamp=1_700_000_000.0,
        usage_metadata=usage(1, 1),
    )
    event.actions.state_delta = {key: 0, f"user:{key}": 1, f"app:{key}": 2}
    while True:
        session = await service.get_session(
            app_name="app", user_id="ann", session_id=session_id
        )
        assert session is not None
        try:
            await service.append_event(session, event.model_copy(deep=True))
        except StaleSessionError:
            continue
        return


async def write(url: str, writer: int, sessions: int, events: int) -> None:
    """
    Append events to all sessions, one session after the other.
    """
    async with open_ports(url) as ports:
        service = AsmSessionService(ports)
        for session in range(sessions):
            for number in range(events):
                await append(service, f"s{session}", f"w{writer}-{session}-{number}")


async def write_on(url: str, writer: int, output: int) -> None:
    """
    Append events until this is killed, and write the name of each that is stored.
    """
    async with open_ports(url) as ports:
        service = AsmSessionService(ports)
        for number in count():
            key = f"w{writer}-{number}"
            await append(service, "s0", key)
            os.write(output, f"{key}\n".encode())


def fork(work: Callable[[], object]) -> int:
    """
    Do something in a child, which has all modules already.
    """
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def write_all(url: str, writers: int, sessions: int, events: int) -> None:
    """
    Have all writers write, and fail if one does.
    """
    children = [
        fork(lambda w=writer: asyncio.run(write(url, w, sessions, events)))
        for writer in range(writers)
    ]
    assert not any(os.waitpid(child, 0)[1] for child in children)


def kill_all(url: str, kills: int, seconds: float) -> None:
    """
    Have one writer after the other killed, and say what they have acknowledged.
    """
    draw = random.Random(7)
    for writer in range(kills):
        reading, writing = os.pipe()
        child = fork(lambda w=writer, out=writing: asyncio.run(write_on(url, w, out)))
        os.close(writing)
        with os.fdopen(reading) as lines:
            # At the first one it is in the midst of its work.
            sys.stdout.write(lines.readline())
            time.sleep(draw.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
            sys.stdout.write(lines.read())
        os.waitpid(child, 0)


if __name__ == "__main__":
    _, act, where, *numbers = sys.argv
    if act == "write":
        write_all(where, *(int(number) for number in numbers))
    else:
        kill_all(where, int(numbers[0]), float(numbers[1]))
