"""
State of ADK as state items: one item for each key.
"""

from __future__ import annotations

from typing import Any

from asm_async.integrations.records.adk_names import (
    UPDATE_KEY,
    SessionName,
    is_odd,
    item_key_of,
)
from asm_async.values.state_item import StateItem


def state_item(scope: str, key: str, value: Any, session_id: str | None) -> StateItem:
    """
    Return the item that holds one key of a state.

    Args:
        scope: Whose state it is.

        key: The key, without a prefix.

        value: Plain JSON.

        session_id: The session that the item goes with, if it is one's own.

    Raises:
        ValidationError: If the value cannot be stored.
    """
    item_key = item_key_of(key)
    return StateItem(
        scope=scope,
        key=item_key,
        data={"key": key, "value": value} if is_odd(item_key) else value,
        session_id=session_id,
    )


def update_item(name: SessionName, time: float, last_event_id: str) -> StateItem:
    """
    Return the item that tells of a session's last update, of which its own state is.

    Args:
        name: The session.

        time: When it was, by ADK, in seconds since 1970.

        last_event_id: The id of the event that was then the last one in the store.
    """
    return StateItem(
        scope=name.id,
        key=UPDATE_KEY,
        data={"last_update_time": time, "last_event_id": last_event_id},
        session_id=name.id,
    )
