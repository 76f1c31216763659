"""
What a follower is told: that there may be something to read, or the events themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from asm_async.ports.following import MAX_EVENTS_READ
from asm_async.sql.committed_event import CommittedEvent
from asm_async.values.checkpoint import Place

__all__ = ["Hint", "Inbox"]


class Hint(asyncio.Event):
    """
    Set whenever there may be something new to read.

    Args:
        watches_status: Whether a change of the session itself is news, too.
    """

    def __init__(self, *, watches_status: bool = False) -> None:
        super().__init__()
        self.watches_status = watches_status
        self.must_read: bool = True
        """
        Whether only the database can tell what is new.
        """
        self.seen: Place = (0, 0)
        """
        How far its owner has read: in a session, up to the number in second place.
        """

    def tell(self, newest: Place | None) -> None:
        """
        Set it, unless its owner has seen up to *newest* already; None is not known.
        """
        if newest is None or newest > self.known:
            self.set()

    @property
    def known(self) -> Place:
        """
        How far its owner has seen, or will see without reading.
        """
        return self.seen

    def hand(self, events: Sequence[CommittedEvent]) -> None:
        """
        Tell of events of its session that this process has committed, in their order.
        """
        del events
        self.set()

    def take(self, number: int, limit: int) -> list[CommittedEvent] | None:
        """
        Give the events directly behind *number*, at most *limit* of them.

        Returns:
            None if there may be events behind it that were not handed in.
        """
        del number, limit
        return None

    @property
    def is_empty(self) -> bool:
        """
        Whether nothing more was handed in.
        """
        return True


class Inbox(Hint):
    """
    Keeps the events that it is handed, as long as nothing can be missing among them.

    Numbers have no holes: the event behind the last one that was seen is the one with
    the next number, and whoever is handed that has nothing to read. Where a number is
    missing another process was faster, or a group of this one that has not told yet,
    or events were pruned: then the database tells.
    """

    must_read: bool
    seen: Place

    def __init__(self, *, watches_status: bool = False) -> None:
        super().__init__(watches_status=watches_status)
        self._events: deque[CommittedEvent] = deque()

    def set(self) -> None:
        """
        Have the database read, which has all that was handed in, too.
        """
        self.must_read = True
        self._events.clear()
        super().set()

    def clear(self) -> None:
        """
        Keep what is handed in from now on: the reading that begins will find the rest.
        """
        self.must_read = False
        self._events.clear()
        super().clear()

    @property
    def known(self) -> Place:
        """
        How far its owner has seen, or will see without reading.
        """
        return (0, self._events[-1].number) if self._events else self.seen

    def hand(self, events: Sequence[CommittedEvent]) -> None:
        """
        Keep those that come next, or have the database read.
        """
        if self.must_read:
            return
        _, last = self.known
        for event in events:
            if event.number <= last:
                continue
            if self._events and event.number > last + 1:
                self.set()
                return
            self._events.append(event)
            last = event.number
        if len(self._events) > MAX_EVENTS_READ:
            self.set()
        elif self._events:
            super().set()

    def take(self, number: int, limit: int) -> list[CommittedEvent] | None:
        """
        Give the events directly behind *number*, at most *limit* of them.
        """
        events = self._events
        while events and events[0].number <= number:
            events.popleft()
        if self.must_read or (events and events[0].number > number + 1):
            return None
        taken = [events.popleft() for _ in range(min(limit, len(events)))]
        if not events:
            super().clear()
        self.seen = (0, number + len(taken))
        return taken

    @property
    def is_empty(self) -> bool:
        """
        Whether nothing more was handed in.
        """
        return not self._events
