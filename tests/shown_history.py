"""
A small history that has something of everything that the command line shows.

Its ids and times are always the same, so that what commands print of it can be compared
with what the reference says that they print.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from asm_async import Event, Run, RunStatus, Session, SessionStatus
from asm_async import conventions as say
from asm_async.ports.together import Ports

BEGINNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LAMP, TRIP, DRAFT = "ses_lamp", "ses_trip", "ses_draft"


@attrs.define
class _Recorded:
    """
    Stores one session with events and runs whose ids and times follow from it.
    """

    ports: Ports
    session: Session
    count: int = 0

    def now(self) -> datetime:
        """
        Return the time of the latest event.
        """
        return self.session.created_at + timedelta(seconds=self.count)

    async def add(self, build: Any, **members: Any) -> None:
        """
        Append the event that a builder of the conventions makes.
        """
        self.count += 1
        event: Event = build(
            session_id=self.session.id,
            id=f"evt_{self.session.id[4:]}_{self.count}",
            timestamp=self.now(),
            **members,
        )
        await self.ports.store.append_event(event)

    async def run(self, model: str, status: RunStatus, **known: Any) -> str:
        """
        Save a run that began with the latest event and took four seconds.
        """
        number = len(await self.ports.store.list_runs(self.session.id)) + 1
        ended = self.now() + timedelta(seconds=4) if status.is_over else None
        run = Run(
            id=f"run_{self.session.id[4:]}_{number}",
            session_id=self.session.id,
            status=status,
            started_at=self.now(),
            ended_at=ended,
            provider="anthropic",
            provider_metadata={"model": model},
            **known,
        )
        await self.ports.store.save_run(run)
        return run.id


async def _begin(
    ports: Ports, session_id: str, *, days: int, **known: Any
) -> _Recorded:
    at = BEGINNING + timedelta(days=days)
    session = Session.new(id=session_id, created_at=at, **known)
    session = session.update_status(SessionStatus.ACTIVE, at=at)
    await ports.store.save_session(session)
    return _Recorded(ports, session)


async def store_history(ports: Ports) -> None:
    """
    Store three sessions of two users, one of them a child of another.
    """
    await _store_lamp(ports)
    await _store_trip(ports)
    await _store_draft(ports)


async def _store_lamp(ports: Ports) -> None:
    lamp = await _begin(
        ports,
        LAMP,
        days=0,
        agent_id="shop",
        user_id="ada",
        tenant_id="acme",
        tags=["web"],
        metadata={"title": "A green lamp"},
    )
    await lamp.add(say.message_sent, content="Be brief.", role="system")
    run = await lamp.run(
        "claude-sonnet-4-5",
        RunStatus.COMPLETED,
        token_usage={"input_tokens": 1200, "output_tokens": 80},
        cost_usd=0.0048,
        output="Yes: the L-7.",
    )
    await lamp.add(say.run_started, run_id=run)
    await lamp.add(say.message_sent, content="Is there a green lamp? 💡", run_id=run)
    call = {"tool_call_id": "call_1", "tool_name": "find_lamps", "run_id": run}
    await lamp.add(say.tool_call_started, tool_input={"colour": "green"}, **call)
    await lamp.add(
        say.tool_call_completed, tool_output=[{"item": "L-7", "price": 39.9}], **call
    )
    await lamp.add(
        say.message_received, content="Yes: the L-7.\nIt is 39.90 €.", run_id=run
    )
    await lamp.add(say.run_completed, run_id=run)
    await lamp.add(say.message_sent, content="No, the red one.")
    await lamp.add(say.message_received, content="We have no red one.")
    await ports.store.retract_events(LAMP, first=8, last=9)


async def _store_trip(ports: Ports) -> None:
    trip = await _begin(
        ports, TRIP, days=1, agent_id="travel", user_id="grace", tenant_id="acme"
    )
    run = await trip.run(
        "claude-opus-4-1",
        RunStatus.FAILED,
        token_usage={"input_tokens": 5000, "output_tokens": 10},
        cost_usd=0.0758,
        error={"message": "the booking service is closed"},
    )
    await trip.add(say.message_sent, content="Book a train to Kyoto, 京都.", run_id=run)
    call = {"tool_call_id": "call_1", "tool_name": "book", "run_id": run}
    await trip.add(say.tool_call_started, tool_input={"to": "Kyoto"}, **call)
    await trip.add(say.tool_call_failed, error_message="closed until Monday", **call)
    await trip.add(
        say.run_failed, error_message="the booking service is closed", run_id=run
    )
    failed = trip.session.update_status(SessionStatus.FAILED, at=trip.now())
    await ports.store.save_session(failed)


async def _store_draft(ports: Ports) -> None:
    draft = await _begin(
        ports,
        DRAFT,
        days=1,
        agent_id="writer",
        user_id="grace",
        tenant_id="acme",
        parent_session_id=TRIP,
    )
    run = await draft.run("claude-sonnet-4-5", RunStatus.RUNNING)
    await draft.add(say.message_sent, content="Write to the hotel.", run_id=run)
    await draft.add(say.message_streamed, delta="Dear ", run_id=run)
    await draft.add(say.message_streamed, delta="hotel", run_id=run)
