"""
Exports in memory, and what they are made of and read with.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

import attrs

from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryDatabase,
    InMemoryQueryAPI,
    InMemorySessionStore,
    InMemoryStateStore,
)
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.export_lines import decode_record, encode_record
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportHeader,
    ExportRecord,
)
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

__all__ = [
    "Elsewhere",
    "encoded",
    "export_of",
    "exported",
    "history",
    "pieces",
    "records_in",
    "store_session",
]


class Elsewhere:
    """
    Another database: in memory, with stores, a query API and a registry.
    """

    def __init__(self) -> None:
        self.database: InMemoryDatabase = InMemoryDatabase()
        self.store: InMemorySessionStore = InMemorySessionStore(self.database)
        self.state: InMemoryStateStore = InMemoryStateStore(self.database)
        self.query_api: InMemoryQueryAPI = InMemoryQueryAPI(self.database)
        self.registry: InMemoryArtifactRegistry = InMemoryArtifactRegistry(
            self.database
        )


async def exported(query_api: QueryAPI, **filters: Any) -> bytes:
    """
    Export what *filters* find, into memory.
    """
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    await query_api.export_sessions(write, **filters)
    return b"".join(written)


async def pieces(data: bytes, size: int = 1 << 16) -> AsyncGenerator[bytes]:
    """
    Yield *data* as a reader does, in pieces of so many bytes.
    """
    for start in range(0, len(data), size):
        yield data[start : start + size]


def records_in(export: bytes) -> list[ExportRecord]:
    """
    Decode an export.
    """
    return [decode_record(line) for line in export.splitlines()]


def encoded(records: Iterable[ExportRecord]) -> bytes:
    """
    Encode what may be an export.
    """
    return b"".join(map(encode_record, records))


def history(
    session: Session | None = None,
    *,
    runs: Iterable[Run] | None = None,
    artifacts: Iterable[Artifact] = (),
    items: Iterable[StateItem] = (),
    events: Iterable[Event] | None = None,
    pruned_count: int = 0,
) -> list[ExportRecord]:
    """
    Make the records of one session, ``ses_1`` with a run and two events unless given.
    """
    session = make_session(revision=1) if session is None else session
    session = session.with_given(session.revision, session.updated_at)
    id_ = session.id
    own_runs = list([make_run(revision=1)] if runs is None else runs)
    own_artifacts = [attrs.evolve(each, session_id=id_) for each in artifacts]
    own_items = [attrs.evolve(each, session_id=id_) for each in items]
    own_events = list(_two_events() if events is None else events)
    return [
        ExportedSession(
            session=session,
            latest_sequence=len(own_events) + pruned_count,
            pruned_count=pruned_count,
        ),
        *(attrs.evolve(run, session_id=id_) for run in own_runs),
        *own_artifacts,
        *own_items,
        *(attrs.evolve(event, session_id=id_) for event in own_events),
        ExportedSessionEnd(
            session_id=id_,
            run_count=len(own_runs),
            artifact_count=len(own_artifacts),
            item_count=len(own_items),
            event_count=len(own_events),
        ),
    ]


def export_of(*sessions: Iterable[ExportRecord]) -> bytes:
    """
    Encode an export of sessions whose records :func:`history` made, and of items.
    """
    records = [record for session in sessions for record in session]
    kinds = [type(record) for record in records]
    end = ExportEnd(
        session_count=kinds.count(ExportedSession),
        run_count=kinds.count(Run),
        artifact_count=kinds.count(Artifact),
        item_count=kinds.count(StateItem),
        event_count=kinds.count(Event),
    )
    return encoded([ExportHeader(), *records, end])


async def store_session(store: SessionStore, session_id: str, **fields: Any) -> None:
    """
    Store a session that has a bit of everything: two runs and five events.
    """
    session = make_session(id=session_id, tags=("a", "b"), context={"k": 1}, **fields)
    await store.save_session(session)
    run_ids = [f"run_{session_id}_{number}" for number in (2, 1)]
    for run_id in run_ids:
        await store.save_run(make_run(id=run_id, session_id=session_id, input="?"))
    await store.append_events(
        [
            make_event(id=f"evt_{n}", session_id=session_id, run_id=run_ids[n % 2])
            for n in range(5)
        ]
    )


def _two_events() -> list[Event]:
    return [make_event(id=f"evt_{n}", sequence_number=n) for n in (1, 2)]
