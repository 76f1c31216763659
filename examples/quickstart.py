"""
From an empty database to a recorded session, in one page.

    python examples/quickstart.py
    python examples/quickstart.py --url postgresql+asyncpg://host/database
"""

from __future__ import annotations

import argparse
import asyncio

from asm_async import (
    Event,
    EventType,
    ExecutionResult,
    Run,
    RunStatus,
    Session,
    SessionStatus,
    errors,
    open_store,
)
from asm_async.ports.session_store import SessionStore


async def main(url: str) -> None:
    """
    Open the store, make its tables if they are missing, and walk through its methods.
    """
    async with open_store(url, migrate=True) as store:
        session, run = await begin(store)
        await converse(store, run)
        await finish(store, session, run)
        await look_back(store, session.id)


async def begin(store: SessionStore) -> tuple[Session, Run]:
    """
    Save a session and a run, then their next statuses.

    A value never changes: its update is a new value, and what is saved comes back with
    its revision.
    """
    session = await store.save_session(Session.new(agent_id="assistant"))
    run = await store.save_run(Run.new(session_id=session.id, provider="example"))
    pending = await store.list_sessions(status=SessionStatus.PENDING)
    print(f"{session.id} is pending: {session in pending}")

    session = await store.save_session(session.update_status(SessionStatus.ACTIVE))
    run = await store.save_run(run.update_status(RunStatus.RUNNING))
    active = await store.get_active_run(session.id)
    print(f"{run.id} is active: {run == active}, revision {run.revision}")
    return session, run


async def converse(store: SessionStore, run: Run) -> None:
    """
    Append events, which the store numbers in the order in which they are committed.
    """
    question = new_event(run, EventType.MESSAGE_SENT, "What is 6 times 7?")
    first = await store.append_event_with_sequence(question)
    again = await store.append_event_with_sequence(question)
    print(f"sent twice, stored once: number {first.sequence_number}, {first == again}")

    tool_call = [
        new_event(run, EventType.TOOL_CALL_STARTED, "multiply(6, 7)"),
        new_event(run, EventType.TOOL_CALL_COMPLETED, "42"),
    ]
    await store.append_events(tool_call, expected_sequence=first.sequence_number)

    # A writer that has not seen the tool call cannot write as if it had not happened.
    guess = new_event(run, EventType.MESSAGE_RECEIVED, "41?")
    try:
        await store.append_event(guess, expected_sequence=first.sequence_number)
    except errors.SequenceConflictError as conflict:
        print(f"refused: {conflict}")


async def finish(store: SessionStore, session: Session, run: Run) -> None:
    """
    Store the end of the run and of the session with the last events, all or nothing.
    """
    run = run.increment_turn().complete("42 🎉")
    run = run.update_token_usage({"input_tokens": 24, "output_tokens": 3})
    answer = new_event(run, EventType.MESSAGE_RECEIVED, "42 🎉")
    stored = await store.flush(
        ExecutionResult(
            session=session.update_status(SessionStatus.COMPLETED),
            run=run,
            events=(answer, new_event(run, EventType.RUN_COMPLETED)),
        )
    )
    if stored.session is not None and stored.run is not None:
        print(f"session {stored.session.status}, run {stored.run.status}")


async def look_back(store: SessionStore, session_id: str) -> None:
    """
    Read the session's log from its beginning, then only its end.
    """
    for event in await store.get_events(session_id, after=0, limit=50):
        print(f"{event.sequence_number:>4} {event.type:<20} {event.data}")
    latest = await store.get_latest_sequence(session_id)
    (end,) = await store.get_events(session_id, last=1)
    print(f"latest number {latest}: {end.type}")


def new_event(run: Run, type_: EventType, content: str | None = None) -> Event:
    """
    Make an event of the run; its id and time are those of this moment.
    """
    data = {} if content is None else {"content": content}
    return Event.new(type=type_, session_id=run.session_id, run_id=run.id, data=data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Walk through a store.")
    parser.add_argument("--url", default="sqlite+aiosqlite:///asm.sqlite3")
    asyncio.run(main(parser.parse_args().url))
