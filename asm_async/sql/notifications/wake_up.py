"""
What a follower waits for: word that there is something to read, or the events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from asm_async.fronts.following import READ_BATCH_SIZE
from asm_async.values.checkpoint import Place
from asm_async.values.event import Event
from asm_async.values.json_values import decode_json

CommittedEvent: TypeAlias = tuple[Event, tuple[str, str]]
"""
An event that this process has committed, with its *data* and *metadata* as stored text.
"""


def stored_event(committed: CommittedEvent) -> Event:
    """
    Make the event that reading the database would find.

    Its JSON is decoded each time: the objects of the event that was appended are the
    caller's, who may have changed them since, and so may each follower change its own.
    """
    event, (data, metadata) = committed
    return event.with_json(decode_json(data), decode_json(metadata))


class WakeUp(asyncio.Event):
    """
    Set whenever there may be something new to read.

    It also buffers the events that it is offered, as long as none can be missing among
    them. Numbers have no holes: the event behind the last one seen has the next number,
    and a follower that is offered that one has nothing to read. Where a number is
    missing, another process was faster, or a group of this one that has not published
    yet, or events were pruned; then the database has to be read.

    Args:
        watches_status: Whether a change of the session itself counts, too.

        takes_events: Whether to buffer events, since all are wanted, whatever else
            there is to know of their session. Otherwise the database is always read.
    """

    def __init__(
        self, *, watches_status: bool = False, takes_events: bool = False
    ) -> None:
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
        self._takes_events = takes_events
        self._offered: deque[tuple[int, CommittedEvent]] = deque()

    def set(self) -> None:
        """
        Have the database read, which also has all that was offered.
        """
        self.must_read = True
        self._offered.clear()
        super().set()

    def clear(self) -> None:
        """
        Buffer what is offered from now on: the read that begins will find the rest.
        """
        self.must_read = not self._takes_events
        self._offered.clear()
        super().clear()

    @property
    def known(self) -> Place:
        """
        How far its owner has seen, or will see without reading.
        """
        return (0, self._offered[-1][0]) if self._offered else self.seen

    def notify_up_to(self, newest: Place) -> None:
        """
        Set it, unless its owner has seen up to *newest* already.
        """
        if newest > self.known:
            self.set()
            if not self._takes_events:
                # Its owner always reads, and finds this: once is enough.
                self.seen = newest

    def offer(self, numbered: Iterable[tuple[int, CommittedEvent]]) -> None:
        """
        Buffer those events that come next, or have the database read.
        """
        if self.must_read:
            self.set()
            return
        _, last = self.known
        for number, committed in numbered:
            if number <= last:
                continue
            # Before the first one there may be a gap: a read that is under way may
            # close it, so that only drain() can tell.
            if self._offered and number > last + 1:
                self.set()
                return
            self._offered.append((number, committed))
            last = number
        if len(self._offered) > READ_BATCH_SIZE:
            # A slow follower holds no more events than one that reads.
            self.set()
        elif self._offered:
            super().set()

    def drain(
        self, place: Place, limit: int
    ) -> list[tuple[int, CommittedEvent]] | None:
        """
        Return the events directly behind *place*, at most *limit*, with their numbers.

        Returns:
            None if there may be events behind it that were not offered.
        """
        offered = self._offered
        _, number = place
        while offered and offered[0][0] <= number:
            offered.popleft()
        # A consumer that goes back, to be given again what it has not acknowledged,
        # is not where it was seen last.
        has_gap = bool(offered) and offered[0][0] > number + 1
        if self.must_read or place != self.seen or has_gap:
            return None
        drained = [offered.popleft() for _ in range(min(limit, len(offered)))]
        if not offered:
            super().clear()
        self.seen = (0, number + len(drained))
        return drained

    @property
    def is_empty(self) -> bool:
        """
        Whether no more events are buffered.
        """
        return not self._offered
