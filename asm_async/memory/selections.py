"""
What the filters of the session store let through, in the order the port promises.

Given are the stored values themselves, which are not to be handed out.
"""

from __future__ import annotations

from asm_async.fronts.session_filters import (
    EventFilter,
    RunFilter,
    SessionFilter,
)
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["select_events", "select_runs", "select_sessions"]


def select_sessions(database: InMemoryDatabase, wanted: SessionFilter) -> list[Session]:
    """
    Select sessions, the first created first, then by id.
    """
    found = [
        session for session in database.sessions.values() if _is_listed(session, wanted)
    ]
    found.sort(key=lambda session: (session.created_at, session.id))
    return found[wanted.offset :][: wanted.limit]


def select_runs(
    database: InMemoryDatabase, session_id: str, wanted: RunFilter
) -> list[Run]:
    """
    Select runs of one session, the first started first, then by id.
    """
    found = [
        run
        for run in database.runs.values()
        if run.session_id == session_id and wanted.status in (None, run.status)
    ]
    found.sort(key=lambda run: (run.started_at, run.id))
    return found[: wanted.limit]


def select_events(
    database: InMemoryDatabase, session_id: str, wanted: EventFilter
) -> list[Event]:
    """
    Select events of one session, in order of sequence number.
    """
    stored = database.events.get(session_id, {}).values()
    found = [event for event in stored if _is_wanted(event, wanted)]
    if wanted.last is not None:
        return found[max(0, len(found) - wanted.last) :]
    return found[: wanted.limit]


def _is_listed(session: Session, wanted: SessionFilter) -> bool:
    return (
        wanted.status in (None, session.status)
        and wanted.agent_id in (None, session.agent_id)
        and wanted.tenant_id in (None, session.tenant_id)
        and (wanted.include_deleted or session.deleted_at is None)
    )


def _is_wanted(event: Event, wanted: EventFilter) -> bool:
    number = event.sequence_number
    return (
        wanted.run_id in (None, event.run_id)
        and wanted.type in (None, event.type)
        and (wanted.since is None or wanted.since <= event.timestamp)
        and (wanted.after is None or wanted.after < number)
        and (wanted.before is None or number < wanted.before)
    )
