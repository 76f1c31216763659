"""
An event as it was committed, for those who need not read it any more.
"""

from __future__ import annotations

import attrs

from asm_async.values.event import Event
from asm_async.values.json_values import decode_json

__all__ = ["CommittedEvent"]


@attrs.frozen
class CommittedEvent:
    """
    An event that this process has committed.

    Its JSON is text, as the database has it: whoever appended the event, and everybody
    who is given it, may change objects of their own.
    """

    event: Event
    """
    All but its JSON, which may have been changed since.
    """

    data: str
    metadata: str
    position: int = 0
    """
    Its place in the feed of all sessions, where that is told.
    """

    @property
    def number(self) -> int:
        """
        Its sequence number.
        """
        return self.event.sequence_number

    def read(self) -> Event:
        """
        Make the event that is found by reading the database.
        """
        return self.event.with_json(decode_json(self.data), decode_json(self.metadata))
