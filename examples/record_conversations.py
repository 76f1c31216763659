"""
Record chat conversations durably, read them back and compare.

    python examples/record_conversations.py examples/data/conversations.json
    python examples/record_conversations.py PATH --url postgresql+asyncpg://host/database

PATH is a JSON list of conversations: objects with a list of chat messages under "traj"
or "messages". Each becomes a session and each user turn a run, which is stored whole or
not at all. After an interruption the same command goes on where it stopped; repeated,
it adds nothing. The file is read whole; beside it, memory holds a few conversations.

The exit code is 0 if every conversation comes back equal; 1 if one does not, or the
database fails; 2 if PATH is not what it should be; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from conversation_log import (
    executions_of,
    rebuild_conversation,
    session_id_of,
    with_names,
)
from first_look import print_next_commands, print_place, print_transcript
from rich.console import Console
from rich.progress import Progress

from asm_async import errors, open_store
from asm_async.ports.session_store import SessionStore
from asm_async.sql import SQLSessionStore
from asm_async.transcripts import read_transcript

NamedConversation: TypeAlias = tuple[str, Any]

CONCURRENT_CONVERSATIONS = 8


def read_conversations(path: Path) -> list[NamedConversation]:
    """
    Read the file and check all of it, so that nothing is stored of a bad one.

    Raises:
        OSError: If the file cannot be read.

        ValueError: Naming the conversation, and the message in it, that is wrong.
    """
    try:
        parsed: Any = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
        conversations = list(with_names(parsed))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON list: {error}") from error
    for index, (name, conversation) in enumerate(conversations):
        try:
            for _ in executions_of(conversation, name):
                pass
        except ValueError as error:
            raise ValueError(f"{path}: conversation {index}: {error}") from error
    return conversations


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


@dataclass
class Recorder:
    """
    Takes conversations to a store and back, and counts.
    """

    store: SessionStore
    runs: int = 0
    events: int = 0
    new_events: int = 0
    messages: int = 0
    different: list[str] = field(default_factory=list[str])

    async def record(self, name: str, conversation: Any) -> None:
        """
        Store the conversation, run by run.

        The number expected before each run makes repeating safe: a run whose events
        stand directly behind that number already is not written again.
        """
        known = await self.store.get_latest_sequence(session_id_of(name))
        sequence = 0
        for execution in executions_of(conversation, name):
            await self.store.flush(execution, expected_sequence=sequence)
            sequence += len(execution.events)
        self.new_events += max(0, sequence - known)

    async def compare(self, name: str, conversation: Any) -> None:
        """
        Read the conversation back; numbers must be equal to the last bit.
        """
        session = await self.store.get_session(session_id_of(name))
        runs = await self.store.list_runs(session.id)
        events = await self.store.get_events(session.id)
        self.runs += len(runs)
        self.events += len(events)
        rebuilt = rebuild_conversation(session, events)
        self.messages += len(rebuilt.get("traj") or rebuilt["messages"])
        if _as_text(rebuilt) != _as_text(conversation):
            self.different.append(session.id)


def _as_text(conversation: Any) -> str:
    # As values 1, 1.0 and true would be equal.
    return json.dumps(conversation, sort_keys=True)


async def for_each(
    conversations: list[NamedConversation],
    work: Callable[[str, Any], Awaitable[None]],
    progress: Progress,
    title: str,
) -> float:
    """
    Do *work* on all conversations, several at a time, under a progress bar.

    Returns:
        The seconds it took.
    """
    bar = progress.add_task(title, total=len(conversations))
    remaining = iter(conversations)

    async def worker() -> None:
        for name, conversation in remaining:
            await work(name, conversation)
            progress.advance(bar)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as workers:
        for _ in range(CONCURRENT_CONVERSATIONS):
            workers.create_task(worker())
    return time.perf_counter() - started


async def record_and_compare(conversations: list[NamedConversation], url: str) -> bool:
    """
    Record, read back and report.

    Returns:
        Whether every conversation came back equal.
    """
    async with open_store(url, migrate=True) as store:
        recorder = Recorder(store)
        with Progress(console=Console(stderr=True)) as progress:
            writing = await for_each(
                conversations, recorder.record, progress, "recording   "
            )
            reading = await for_each(
                conversations, recorder.compare, progress, "reading back"
            )
        new = (
            f"{recorder.new_events:,} new events"
            if recorder.new_events
            else "nothing new"
        )
        print(
            f"{len(conversations):,} conversations, {recorder.runs:,} runs,"
            f" {recorder.messages:,} messages, {recorder.events:,} events\n"
            f"recorded in {writing:.2f} s ({new}), read back in {reading:.2f} s"
        )
        for session_id in recorder.different:
            print(
                f"session {session_id} differs from its conversation", file=sys.stderr
            )
        if not recorder.different:
            print("every conversation came back equal")
        if conversations:
            await show_one(store, session_id_of(conversations[0][0]))
    return not recorder.different


async def show_one(store: SQLSessionStore, session_id: str) -> None:
    """
    Print where the database is, one conversation as it is read back, and what is next.
    """
    console, url = Console(), store.engine.url
    session = await store.get_session(session_id)
    title = str(session.metadata.get("title", session_id))
    print_place(console, url)
    print_transcript(console, title, await read_transcript(store, session_id))
    print_next_commands(console, url, session_id)


def run(path: Path, url: str) -> int:
    """
    Do the whole work and give the exit code.
    """
    try:
        conversations = read_conversations(path)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    code = 1
    try:
        if asyncio.run(record_and_compare(conversations, url)):
            code = 0
    except* errors.ASMError as group:
        print(f"error: {group.exceptions[0]}", file=sys.stderr)
    return code


def main() -> int:
    """
    Read the command line, and take Ctrl-C for an answer.
    """
    parser = argparse.ArgumentParser(description="Record chat conversations durably.")
    parser.add_argument("path", type=Path, help="a JSON list of conversations")
    parser.add_argument(
        "--url",
        default="sqlite+aiosqlite:///conversations.sqlite3",
        help="the database (default: %(default)s)",
    )
    arguments = parser.parse_args()
    try:
        return run(arguments.path, arguments.url)
    except KeyboardInterrupt:
        print("interrupted: only whole runs are stored; run it again", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
