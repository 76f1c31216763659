"""
Histories of many processes, and what decides whether a store kept its promises to them.

Each process that writes wraps its store, so that every call is written down::

    with HistoryWriter(directory / "writer-1.jsonl") as history:
        store = RecordingSessionStore(MyStore(), history)
        ...

When all have ended, however they ended, one process reads the histories and the
database::

    await check_histories(directory.glob("*.jsonl"), MyStore())
"""

from asm_async.testing.history.calls import Call, Outcome
from asm_async.testing.history.checker import (
    HistoryError,
    check_histories,
    check_history,
    find_violations,
)
from asm_async.testing.history.contents import SessionContents, read_contents
from asm_async.testing.history.files import HistoryWriter, read_history
from asm_async.testing.history.following import record_all, record_session
from asm_async.testing.history.recorder import RecordingSessionStore

__all__ = [
    "Call",
    "HistoryError",
    "HistoryWriter",
    "Outcome",
    "RecordingSessionStore",
    "SessionContents",
    "check_histories",
    "check_history",
    "find_violations",
    "read_contents",
    "read_history",
    "record_all",
    "record_session",
]
