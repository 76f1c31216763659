"""
One append to SQLite, as plain calls of ``sqlite3`` in the connection's own thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from asm_async.sql.core.column_types import microseconds
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.dialects.base import Appended, EventRow

__all__ = ["append_block"]

_COUNT = """
    UPDATE asm_session_sequences
    SET last_sequence = last_sequence + added.number, updated_at = ?
    FROM (SELECT key AS session_id, value AS number FROM json_each(?)) AS added
    WHERE asm_session_sequences.session_id = added.session_id AND state = 'live'
    RETURNING asm_session_sequences.session_id, last_sequence
"""

# AUTOINCREMENT counts one by one within a transaction, and nobody else writes.
_LAST_POSITION = "SELECT last_insert_rowid()"

_INSERT = """
    INSERT INTO asm_events (
        session_id, sequence_number, id, type, timestamp, run_id, data, metadata,
        schema_version, provider, correlation_id
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def append_block(
    connection: sqlite3.Connection, counts: Mapping[str, int], rows: Sequence[EventRow]
) -> Appended | None:
    """
    Do what ``Dialect.append_block`` says.
    """
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    try:
        connection.execute("BEGIN IMMEDIATE")
        latest = _count(connection, counts)
        if len(latest) < len(counts):
            return None
        bases = {name: number - counts[name] for name, number in latest.items()}
        connection.executemany(_INSERT, [_numbered(row, bases) for row in rows])
        ((last_position,),) = connection.execute(_LAST_POSITION)
        with translated_errors(committing=True):
            connection.execute("COMMIT")
    except sqlite3.IntegrityError:
        return None
    else:
        return Appended(latest=latest, first_position=last_position - len(rows) + 1)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _count(connection: sqlite3.Connection, counts: Mapping[str, int]) -> dict[str, int]:
    """
    Count all sessions' new events in one statement.
    """
    now = microseconds(datetime.now(UTC))
    return dict(connection.execute(_COUNT, (now, json.dumps(counts))).fetchall())


def _numbered(row: EventRow, bases: Mapping[str, int]) -> tuple[object, ...]:
    session_id, place, id_, type_, timestamp, *rest = row
    number = bases[session_id] + place
    return (session_id, number, id_, type_, microseconds(timestamp), *rest)
