"""
Whether two histories are the same, told without holding either in memory.
"""

from __future__ import annotations

from hashlib import sha256

from asm_async.values.event import Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import ExportedSession
from asm_async.values.run import Run


class HistoryDigest:
    """
    The digest of one session's records, added in the order of an export.

    Two histories are the same if all their lines are.
    """

    def __init__(self, head: ExportedSession) -> None:
        self._latest_sequence = head.latest_sequence
        self._session = encode_record(head)
        self._runs = sha256()
        self._events = sha256()

    def add(self, record: Run | Event, line: bytes) -> None:
        """
        Add a run or an event, and the line that :func:`encode_record` makes of it.
        """
        digest = self._runs if isinstance(record, Run) else self._events
        digest.update(line)

    def difference(self, other: HistoryDigest) -> str | None:
        """
        Say what keeps *other* from being the same history as this, which is stored.
        """
        here, there = self._latest_sequence, other._latest_sequence
        if here != there:
            return f"it is at sequence number {here} here, and at {there} there"
        if self._events.digest() != other._events.digest():
            return "it has other events here"
        if self._runs.digest() != other._runs.digest():
            return "it has other runs here"
        return None if self._session == other._session else "it was changed here"
