"""
What type checkers see of the public interface. Never run, only checked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_type

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import (
    Changes,
    Committed,
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
from asm_async.conventions import message_sent
from asm_async.integrations.fastapi import ALL_TENANTS, Access, router
from asm_async.memory import (
    InMemoryDatabase,
    InMemoryMaintenance,
    InMemorySessionStore,
    InMemoryStateStore,
)
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.recording import record_run, record_session
from asm_async.sql import (
    SQLMaintenance,
    SQLSessionStore,
    SQLStateStore,
    create_engine,
    migrations,
)
from asm_async.transcripts import (
    Transcript,
    events_from_openai,
    read_transcript,
    update_transcript,
)


def adapters_satisfy_the_port(engine: AsyncEngine) -> tuple[SessionStore, ...]:
    """
    Both adapters pass where a SessionStore is asked for.
    """
    return SQLSessionStore(engine), InMemorySessionStore()


def state_stores_satisfy_the_port(engine: AsyncEngine) -> tuple[StateStore, ...]:
    """
    So do both where a StateStore is.
    """
    return SQLStateStore(engine), InMemoryStateStore()


def maintenance_satisfies_the_port(engine: AsyncEngine) -> tuple[Maintenance, ...]:
    """
    So do both where a Maintenance is.
    """
    return SQLMaintenance(engine), InMemoryMaintenance(InMemoryDatabase())


async def opening_gives_a_store() -> None:
    """
    ``open_store`` is an asynchronous context manager around a store.
    """
    async with open_store("sqlite+aiosqlite://", migrate=True) as store:
        assert_type(store, SQLSessionStore)
        takes_a_store: SessionStore = store
        await takes_a_store.aclose()


async def transcripts_are_lists_of_dicts(store: SessionStore) -> None:
    """
    Builders make events, and what a model is told is a list that clients take.
    """
    event = message_sent(session_id="s", content=[{"type": "text", "text": "hello"}])
    assert_type(event, Event)
    transcript = await read_transcript(store, event.session_id)
    assert_type(await update_transcript(store, transcript), Transcript)
    told: list[dict[str, Any]] = transcript.last(max_messages=3).to_openai()
    assert_type(events_from_openai(told, session_id="s", run_id="r"), list[Event])


async def steps_give_stored_events(store: SessionStore) -> None:
    """
    A recorded run knows the arguments of its steps.
    """
    new = Session.new(agent_id="assistant")
    async with (
        record_session(store, new) as session,
        record_run(store, session, exclusive=True) as run,
    ):
        assert_type(session, Session)
        assert_type(run.run, Run)
        assert_type(await run.message_sent("Hello", message_id="m_1"), Event)
        assert_type(
            await run.append(Event.new(type="a.b", session_id="s")), list[Event]
        )


async def engines_are_migrated() -> None:
    """
    ``create_engine`` gives SQLAlchemy's own engine, which the migrations take.
    """
    engine = create_engine("sqlite+aiosqlite://")
    assert_type(engine, AsyncEngine)
    assert_type(await migrations.upgrade(engine), None)
    assert_type(await migrations.current(engine), str | None)


def values_have_plain_types(session: Session, run: Run, event: Event) -> None:
    """
    Fields are no wider than they need to be.
    """
    assert_type(session.status, SessionStatus)
    assert_type(session.tags, tuple[str, ...])
    assert_type(session.metadata, dict[str, Any])
    assert_type(session.deleted_at, datetime | None)
    assert_type(run.status, RunStatus)
    assert_type(run.cost_usd, float | None)
    assert_type(event.type, EventType | str)
    assert_type(event.sequence_number, int)
    assert_type(event.timestamp, datetime)


def updates_give_the_same_kind(session: Session, run: Run) -> None:
    """
    A change of a value gives another of its kind.
    """
    assert_type(session.update_status(SessionStatus.ACTIVE), Session)
    assert_type(run.set_output({"answer": 42}), Run)
    assert_type(run.increment_turn(), Run)
    assert_type(Run.from_dict(run.to_dict()), Run)


async def methods_give_values(store: SessionStore, session: Session, run: Run) -> None:
    """
    What goes in comes back as the same kind of value.
    """
    event = Event.new(type="myapp.noted", session_id=session.id)
    result = ExecutionResult(session=session, run=run, events=(event,))

    assert_type(await store.save_session(session, expected_revision=0), Session)
    assert_type(await store.save_run(run), Run)
    assert_type(await store.get_active_run(session.id), Run | None)
    assert_type(await store.update_session(session.id, lambda one: one), Session)
    assert_type(await store.update_run(run.id, Run.increment_turn), Run)
    assert_type(await store.list_sessions(status=SessionStatus.PENDING), list[Session])
    assert_type(await store.append_event(event), None)
    assert_type(await store.append_event_with_sequence(event), Event)
    assert_type(await store.append_events([event], expected_sequence=0), list[Event])
    assert_type(await store.flush(result), ExecutionResult)
    committed = await store.commit(
        Changes(create_session=session, runs=(run,), events=(event,)),
        expected_revisions={run.id: 0},
    )
    assert_type(committed, Committed)
    assert_type(committed.session, Session | None)
    assert_type(committed.runs, tuple[Run, ...])
    assert_type(committed.events, tuple[Event, ...])
    assert_type(await store.get_events(session.id, last=1), list[Event])
    assert_type(await store.get_latest_sequence(session.id), int)


async def errors_carry_facts(store: SessionStore, event: Event) -> int:
    """
    What an error knows has a type too.
    """
    try:
        await store.append_event(event, expected_sequence=0)
    except errors.SequenceConflictError as error:
        return error.actual
    except errors.StorageError as error:
        assert_type(error.outcome_unknown, bool)
        assert_type(error.code, str)
    return 0


async def authorize(*, is_operator: bool) -> Access:
    """
    Return a tenant's id or ALL_TENANTS, which nothing else is taken for.
    """
    return ALL_TENANTS if is_operator else "acme"


async def forget() -> None:
    """
    Forget the return.
    """


def a_router_takes_who_returns() -> None:
    """
    A callback that returns nothing is found before it is ever asked.
    """
    router(authorize=authorize)
    router(authorize=forget)  # type: ignore[arg-type] # what must not be possible
