"""
Runs of a year, loaded straight into the tables in one transaction.

They are the same at every call: ten models of four providers, half of the runs with a
stored cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from asm_async import open_store
from benchmarks.databases import Database, Place
from benchmarks.filling import Row, fill, stored_time

__all__ = ["YEAR", "load_runs", "session_id"]

YEAR = datetime(2025, 1, 1, tzinfo=UTC)
_RUNS_PER_SESSION = 100
_MODELS = [
    *(("openai", model) for model in ("gpt-4o", "gpt-4o-mini", "o3", "gpt-4.1")),
    *(("anthropic", model) for model in ("claude-opus-4", "claude-sonnet-4")),
    *(("google", model) for model in ("gemini-2.5-pro", "gemini-2.5-flash")),
    ("acme", "large"),
    (None, None),
]
_TEXT = "The flight at 9:40 is full, but there are seats on the one at 11:15. " * 8

_COLUMNS = {
    "asm_sessions": "id agent_id status metadata context tags created_at updated_at"
    " revision",
    "asm_session_sequences": "session_id last_sequence pruned_count state updated_at"
    " active_until",
    "asm_runs": "id session_id status input output metadata turn_count token_usage"
    " input_tokens output_tokens total_tokens cache_read_tokens cache_write_tokens"
    " reasoning_tokens started_at ended_at provider provider_metadata model cost_usd"
    " revision",
}
_TABLES = {table: columns.split() for table, columns in _COLUMNS.items()}


def session_id(number: int) -> str:
    """
    Name a session.
    """
    return f"ses_{number:032x}"


def _rows(
    count: int, events_a_session: int, database: Database
) -> dict[str, Iterator[Row]]:
    step = timedelta(days=365) / count
    sessions = range(-(-count // _RUNS_PER_SESSION))

    def time(number: int) -> datetime | int:
        return stored_time(YEAR + number * step, database)

    def all_sessions() -> Iterator[Row]:
        for number in sessions:
            texts = session_id(number), f"agent_{number % 10}", "active"
            yield *texts, "{}", "{}", "[]", time(number), time(number), 1

    def gates() -> Iterator[Row]:
        for number in sessions:
            at = time(number)
            yield session_id(number), events_a_session, 0, "live", at, at

    def runs() -> Iterator[Row]:
        chance = Random(1)  # noqa: S311 - chance makes figures here, no secret
        for number in range(count):
            provider, model = chance.choice(_MODELS)
            read, written = chance.randrange(20_000), chance.randrange(2_000)
            counts = read, written, read + written
            names = "input_tokens", "output_tokens", "total_tokens"
            texts = [json.dumps(_TEXT[: chance.randrange(50, 400)]) for _ in range(2)]
            started = time(number)
            yield (
                *(f"run_{number:032x}", session_id(number // _RUNS_PER_SESSION)),
                *("completed", *texts, "{}", 2),
                *(json.dumps(dict(zip(names, counts, strict=True))), *counts, 0, 0, 0),
                *(started, started, provider, json.dumps({"model": model}), model),
                *((read * 3 + written * 15) / 1e6 if number % 2 else None, 2),
            )

    return dict(zip(_TABLES, (all_sessions(), gates(), runs()), strict=True))


async def load_runs(place: Place, count: int, *, events_a_session: int = 0) -> None:
    """
    Fill an empty database and leave it as it would be after a night's rest.

    Args:
        place: The database.

        count: How many runs.

        events_a_session: How many events each session counts, which are not loaded.
    """
    async with open_store(place.url, migrate=True):
        rows = _rows(count, events_a_session, place.database)
    await fill(place, _TABLES, rows)
