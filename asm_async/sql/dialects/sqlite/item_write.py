"""
How state items are saved in the connection's own thread, beside a group's events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from asm_async.fronts.saving_items import Name
from asm_async.sql.core.column_types import EPOCH, MICROSECOND
from asm_async.sql.dialects.direct import ItemBlock

_LAST_ROWID = "SELECT last_insert_rowid()"

_IS_LIVE = """
    SELECT 1 FROM asm_session_sequences WHERE session_id = ? AND state = 'live'
"""

_HEAD = """
    SELECT revision, operation_id FROM asm_state_items WHERE scope = ? AND key = ?
"""

_REMOVE = "DELETE FROM asm_state_items WHERE scope = ? AND key = ?"

# What is replaced is deleted, and its successor gets the next revision.
_REPLACE = """
    INSERT OR REPLACE INTO asm_state_items
        (scope, key, data, content, session_id, updated_at, operation_id)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def save_items(
    connection: sqlite3.Connection, block: ItemBlock
) -> Mapping[Name, int] | None:
    """
    Save and remove items.

    Returns:
        The revisions of those that were saved. None if a session is not living, an item
        is not as expected, or the operation has saved it before.
    """
    for session_id in block.session_ids:
        if connection.execute(_IS_LIVE, (session_id,)).fetchone() is None:
            return None
    for row in block.rows:
        name = row.item.scope, row.item.key
        revision, operation_id = _head(connection, name)
        is_expected = row.expected is None or row.expected == revision
        if not is_expected or row.operation_id == operation_id:
            return None
    for check in block.checks:
        revision, _ = _head(connection, check.name)
        if check.expected is not None and check.expected != revision:
            return None
    removed = [check.name for check in block.checks if check.is_removed]
    connection.executemany(_REMOVE, removed)
    at = (block.at - EPOCH) // MICROSECOND
    connection.executemany(
        _REPLACE,
        [
            (
                *(row.item.scope, row.item.key, row.text, row.item.content),
                *(row.item.session_id, at, row.operation_id),
            )
            for row in block.rows
        ],
    )
    ((last,),) = connection.execute(_LAST_ROWID)
    first = last - len(block.rows) + 1
    return {
        (row.item.scope, row.item.key): first + place
        for place, row in enumerate(block.rows)
    }


def _head(connection: sqlite3.Connection, name: Name) -> tuple[int, str | None]:
    """
    Return the revision of an item, 0 if there is none, and what saved it last.
    """
    found = connection.execute(_HEAD, name).fetchone()
    return (0, None) if found is None else found
