"""
The log of all sessions that is kept in memory, in the order of the feed.
"""

from __future__ import annotations

from collections.abc import Iterator

from asm_async.values.event import Event


class FeedLog:
    """
    Events by position: 1, 2, 3 and so on, never used again.
    """

    def __init__(self) -> None:
        self._events: list[Event | None] = []
        self._positions: dict[tuple[str, str], int] = {}

    @property
    def latest(self) -> int:
        """
        The last position that was used.
        """
        return len(self._events)

    def append(self, event: Event) -> None:
        """
        Append *event* at the next position.
        """
        self._events.append(event)
        self._positions[event.session_id, event.id] = self.latest

    def forget(self, event: Event) -> None:
        """
        Leave the position of *event* empty.
        """
        position = self._positions.pop((event.session_id, event.id))
        self._events[position - 1] = None

    def at(self, position: int) -> Event | None:
        """
        Return the event at *position*, which is at most the latest; None if it is gone.
        """
        return self._events[position - 1] if position else None

    def behind(self, position: int) -> Iterator[tuple[int, Event]]:
        """
        Yield what is stored behind *position*, with positions.
        """
        for index in range(position, self.latest):
            event = self._events[index]
            if event is not None:
                yield index + 1, event
