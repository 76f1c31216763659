"""
The ids of what is imported: derived from the source's own, and never changed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from asm_async.integrations.ids import safe_id
from asm_async.values.json_values import encode_json

_TIMES_OF_MILLISECONDS = 1e11


def session_id_of(kind: str, *parts: str) -> str:
    """
    Return the id of the session that a source of this *kind* names by *parts*.
    """
    return safe_id(kind, *parts)


def run_id_of(kind: str, *parts: str) -> str:
    """
    Return the id of a run; runs are unique in a store, so the session's name comes too.
    """
    return safe_id(f"{kind}-run", *parts)


def event_id_of(kind: str, name: str, place: int = 1) -> str:
    """
    Return the id of an event of a record that the source names within its session.

    Args:
        kind: The kind of source.

        name: The record's own id, or else :func:`digest_of` it.

        place: Which of the record's events, from 1.
    """
    return safe_id(kind, name) if place == 1 else safe_id(kind, name, str(place))


def items_scope(session_id: str) -> str:
    """
    Return the scope of the state items that importers alone write for a session.

    An item here is replaced where the source has another content; in any other scope
    it is saved only if there is none.
    """
    return f"{session_id}/imported"


def digest_of(value: Any) -> str:
    """
    Return a name for a record that has none: 32 hexadecimal digits, by its content.

    Two records of the same content have the same name.
    """
    return hashlib.sha256(encode_json(value).encode()).hexdigest()[:32]


def time_of(value: Any) -> datetime | None:
    """
    Return the time that a record tells, in UTC; None if it is none.

    Text in the form of ISO 8601, without a zone in UTC; or a number of seconds, or of
    milliseconds, since 1970.
    """
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # Seconds reach this number in the year 5138.
        seconds = value / 1_000 if abs(value) >= _TIMES_OF_MILLISECONDS else value
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
