"""
Logs of a given size, loaded straight into the tables in one transaction.

They are the same at every run: sessions of 250 events, and at the end a short one and a
long one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.contenders import run_name, session_name
from benchmarks.databases import Database, Place
from benchmarks.filling import Row, fill, stored_time
from benchmarks.payloads import Payloads

__all__ = ["Log", "load"]

_SESSION_SIZE = 250
_START = datetime(2026, 1, 1, tzinfo=UTC)

_TABLES = {
    "asm_sessions": (
        "id",
        "agent_id",
        "status",
        "metadata",
        "context",
        "tags",
        "created_at",
        "updated_at",
        "revision",
    ),
    "asm_session_sequences": (
        "session_id",
        "last_sequence",
        "pruned_count",
        "state",
        "updated_at",
        "active_until",
    ),
    "asm_events": (
        "session_id",
        "sequence_number",
        "id",
        "type",
        "timestamp",
        "run_id",
        "data",
        "metadata",
        "schema_version",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Log:
    """
    What a log holds.
    """

    size: int
    """
    How many events in all.
    """

    short: int = 1_000
    """
    How many of them in the last session but one.
    """

    long: int = 1_000
    """
    How many of them in the last session.
    """

    @property
    def sessions(self) -> dict[int, int]:
        """
        How many events each agent's session has.
        """
        rest = (self.size - self.short - self.long) // _SESSION_SIZE
        return dict(enumerate([*[_SESSION_SIZE] * rest, self.short, self.long]))

    @property
    def long_agent(self) -> int:
        """
        Whose session is the last.
        """
        return len(self.sessions) - 1

    @property
    def ends(self) -> dict[int, int]:
        """
        How many events the last two agents' sessions have.
        """
        return {self.long_agent - 1: self.short, self.long_agent: self.long}

    def agents(self, number: int) -> list[int]:
        """
        Choose agents whose sessions lie evenly all over the log.
        """
        step = (self.long_agent - 1) // number
        return [place * step for place in range(number)]


def _rows(log: Log, database: Database) -> dict[str, Iterator[Row]]:
    def time(number: int) -> datetime | int:
        return stored_time(_START + timedelta(milliseconds=number), database)

    def events() -> Iterator[Row]:
        payloads, ids = Payloads(), iter(range(log.size))
        for agent, size in log.sessions.items():
            names, run = session_name(agent), run_name(agent)
            for place in range(1, size + 1):
                number = next(ids)
                id_, data = f"evt_{number:032x}", json.dumps(payloads.next())
                columns = names, place, id_, "message_received", time(number), run
                yield *columns, data, "{}", 1

    def sessions() -> Iterator[Row]:
        for agent in log.sessions:
            texts = session_name(agent), "bench", "pending", "{}", "{}", "[]"
            yield *texts, time(agent), time(agent), 1

    def gates() -> Iterator[Row]:
        for agent, size in log.sessions.items():
            yield session_name(agent), size, 0, "live", time(agent), time(agent)

    return dict(zip(_TABLES, (sessions(), gates(), events()), strict=True))


async def load(place: Place, log: Log) -> None:
    """
    Fill empty tables and leave them as they would be after a night's rest.
    """
    rows = _rows(log, place.database)
    await fill(place, _TABLES, rows, checkpoint_seconds=3600)
