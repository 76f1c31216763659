"""
Events that wait to be written, in the memory of this process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import attrs

from asm_async.values.event import Event, event_snapshot

# One batch is one member of a store's group commit, which it may not fill alone.
_MAX_BYTES_PER_BATCH = 2 * 2**20

# What an event weighs beside its JSON.
_BASE_SIZE = 1_024


@attrs.frozen
class QueuedEvent:
    """
    An event that nobody else holds, and how many bytes it weighs.
    """

    event: Event
    size: int


@attrs.define
class EventQueue:
    """
    Events that are not known to be written, oldest first, bounded twice.
    """

    max_events: int
    max_bytes: int
    entries: deque[QueuedEvent] = attrs.field(factory=deque[QueuedEvent])
    byte_count: int = 0

    def has_room(self, queued: QueuedEvent) -> bool:
        """
        Return whether another event fits; a single one always does.
        """
        if not self.entries:
            return True
        is_short = len(self.entries) < self.max_events
        return is_short and self.byte_count + queued.size <= self.max_bytes

    def put(self, queued: QueuedEvent) -> None:
        """
        Add the newest event.
        """
        self.entries.append(queued)
        self.byte_count += queued.size

    def oldest(self, max_events: int) -> Iterator[Event]:
        """
        Yield the oldest events, as many as one call may write; they stay queued.
        """
        room = _MAX_BYTES_PER_BATCH
        for number, queued in enumerate(self.entries):
            room -= queued.size
            if number and (room < 0 or number == max_events):
                return
            yield queued.event

    def remove(self, count: int) -> None:
        """
        Remove the oldest events, which are written.
        """
        for _ in range(count):
            self.byte_count -= self.entries.popleft().size


def queued_event(event: object) -> QueuedEvent:
    """
    Copy an event that may be appended.

    Raises:
        ValidationError: If it is none that can be stored.
    """
    copied, data, metadata = event_snapshot(event, "events", 0)
    return QueuedEvent(copied, len(data) + len(metadata) + _BASE_SIZE)
