"""
From an empty database to a recorded session, in one page.

    python examples/quickstart.py
    python examples/quickstart.py --url postgresql+asyncpg://host/database
"""

from __future__ import annotations

import argparse
import asyncio

from asm_async import (
    ExecutionResult,
    Run,
    RunStatus,
    Session,
    SessionStatus,
    errors,
    open_store,
)
from asm_async.conventions import (
    EventOptions,
    message_received,
    message_sent,
    run_completed,
    tool_call_completed,
    tool_call_started,
)
from asm_async.ports.session_store import SessionStore
from asm_async.transcripts import read_transcript


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
    within: EventOptions = {"run_id": run.id}
    question = message_sent(
        session_id=run.session_id, content="What is 6 times 7?", **within
    )
    first = await store.append_event_with_sequence(question)
    again = await store.append_event_with_sequence(question)
    print(f"sent twice, stored once: number {first.sequence_number}, {first == again}")

    tool_call = [
        tool_call_started(
            session_id=run.session_id,
            tool_call_id="call_1",
            tool_name="multiply",
            tool_input={"a": 6, "b": 7},
            **within,
        ),
        tool_call_completed(
            session_id=run.session_id,
            tool_call_id="call_1",
            tool_name="multiply",
            tool_output=42,
            **within,
        ),
    ]
    await store.append_events(tool_call, expected_sequence=first.sequence_number)

    # A writer that has not seen the tool call is refused.
    guess = message_received(session_id=run.session_id, content="41?", **within)
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
    within: EventOptions = {"run_id": run.id}
    answer = message_received(session_id=run.session_id, content="42 🎉", **within)
    end = run_completed(session_id=run.session_id, output="42 🎉", **within)
    stored = await store.flush(
        ExecutionResult(
            session=session.update_status(SessionStatus.COMPLETED),
            run=run,
            events=(answer, end),
        )
    )
    if stored.session is not None and stored.run is not None:
        print(f"session {stored.session.status}, run {stored.run.status}")


async def look_back(store: SessionStore, session_id: str) -> None:
    """
    Read the session's log from its beginning, its end, and as messages for a model.
    """
    for event in await store.get_events(session_id, after=0, limit=50):
        print(f"{event.sequence_number:>4} {event.type:<20} {event.data}")
    latest = await store.get_latest_sequence(session_id)
    (end,) = await store.get_events(session_id, last=1)
    for message in (await read_transcript(store, session_id)).to_openai():
        print(message)
    print(f"latest number {latest}: {end.type}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Walk through a store.")
    parser.add_argument("--url", default="sqlite+aiosqlite:///asm.sqlite3")
    asyncio.run(main(parser.parse_args().url))
