"""
What a follower is told: that there may be something to read, or the events themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter

from asm_async.ports.following import READ_BATCH_SIZE
from asm_async.sql.notifications.committed_event import CommittedEvent
from asm_async.values.checkpoint import Place

__all__ = ["HandoffBuffer", "WakeUp", "number_in_feed", "number_in_session"]

number_in_session: Callable[[CommittedEvent], int] = attrgetter("number")
number_in_feed: Callable[[CommittedEvent], int] = attrgetter("position")


class WakeUp(asyncio.Event):
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

    def notify_up_to(self, newest: Place | None) -> None:
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

    def offer(self, events: Sequence[CommittedEvent]) -> None:
        """
        Tell of events that this process has committed, in their order.
        """
        del events
        self.set()

    def drain(self, place: Place, limit: int) -> list[CommittedEvent] | None:
        """
        Give the events directly behind *place*, at most *limit* of them.

        Returns:
            None if there may be events behind it that were not handed in.
        """
        del place, limit
        return None

    @property
    def is_empty(self) -> bool:
        """
        Whether nothing more was handed in.
        """
        return True


class HandoffBuffer(WakeUp):
    """
    Keeps the events that it is handed, as long as nothing can be missing among them.

    Numbers have no holes: the event behind the last one that was seen is the one with
    the next number, and whoever is handed that has nothing to read. Where a number is
    missing another process was faster, or a group of this one that has not told yet,
    or events were pruned: then the database tells.

    Args:
        number_of: What counts the events without holes.

        watches_status: As for any hint.
    """

    must_read: bool
    seen: Place

    def __init__(
        self,
        number_of: Callable[[CommittedEvent], int],
        *,
        watches_status: bool = False,
    ) -> None:
        super().__init__(watches_status=watches_status)
        self._number_of = number_of
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
        return (0, self._number_of(self._events[-1])) if self._events else self.seen

    def offer(self, events: Sequence[CommittedEvent]) -> None:
        """
        Keep those that come next, or have the database read.
        """
        if self.must_read:
            return
        _, last = self.known
        for event in events:
            number = self._number_of(event)
            if number <= last:
                continue
            if self._events and number > last + 1:
                self.set()
                return
            self._events.append(event)
            last = number
        if len(self._events) > READ_BATCH_SIZE:
            self.set()
        elif self._events:
            super().set()

    def drain(self, place: Place, limit: int) -> list[CommittedEvent] | None:
        """
        Give the events directly behind *place*, at most *limit* of them.
        """
        events, number_of = self._events, self._number_of
        _, number = place
        while events and number_of(events[0]) <= number:
            events.popleft()
        # Whoever goes back, to be given again what was not acknowledged, reads it.
        is_elsewhere = place != self.seen
        has_gap = bool(events) and number_of(events[0]) > number + 1
        if self.must_read or is_elsewhere or has_gap:
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
