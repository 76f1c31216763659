"""
Who waits for events of which session, and what tells them to read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import contextmanager

from asm_async.sql.notifications.committed_event import CommittedEvent
from asm_async.sql.notifications.wake_up import (
    HandoffBuffer,
    WakeUp,
    number_in_feed,
    number_in_session,
)
from asm_async.values.checkpoint import Place

__all__ = ["NotificationHub"]


def _announce_to_nobody(session_ids: Collection[str]) -> None:
    """
    Do nothing, where other processes find out by themselves.
    """


def _never() -> bool:
    return False


class NotificationHub:
    """
    Hints to read again, and what need not be read: one hub for all of an engine.

    Args:
        announce: Tells other processes which sessions this one has written to.

        is_writing: Tells whether this process may have committed what it has not told
            of yet.
    """

    def __init__(
        self,
        announce: Callable[[Collection[str]], None] = _announce_to_nobody,
        *,
        is_writing: Callable[[], bool] = _never,
    ) -> None:
        self._announce = announce
        self._is_writing = is_writing
        self._waiters: dict[str | None, set[WakeUp]] = {}
        self._status_watchers = 0
        self.something_changed: asyncio.Event = asyncio.Event()
        """
        Set when the status of some session may have changed, it is not known of which.
        """

    def is_writing(self) -> bool:
        """
        Return whether this process may have committed what it has not told of yet.
        """
        return self._is_writing()

    @contextmanager
    def waiting_for(
        self,
        session_id: str | None,
        *,
        watches_status: bool = False,
        takes_events: bool = False,
    ) -> Generator[WakeUp]:
        """
        Register a waiter, which is set whenever the session may have new events.

        Register before reading: whoever reads first misses what is committed between.

        Args:
            session_id: Which session; None for all of them.

            watches_status: Whether a change of the session itself is news, too.

            takes_events: Whether all events of the session are wanted, whatever else
                there is to know of it, so that they may be handed over.
        """
        waiter = WakeUp(watches_status=watches_status)
        if takes_events:
            number_of = number_in_feed if session_id is None else number_in_session
            waiter = HandoffBuffer(number_of, watches_status=watches_status)
        self._waiters.setdefault(session_id, set()).add(waiter)
        self._status_watchers += watches_status
        try:
            yield waiter
        finally:
            self._status_watchers -= watches_status
            waiters = self._waiters[session_id]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[session_id]

    def notify(
        self,
        session_ids: Collection[str],
        events: Mapping[str, Sequence[CommittedEvent]] | None = None,
        in_order: Sequence[CommittedEvent] = (),
    ) -> None:
        """
        Wake whoever waits for these sessions, to which this process has written.

        Args:
            session_ids: Which sessions.

            events: All that was done to some of them: nothing but appending these.

            in_order: All that was done to all of them, if the places are known.
        """
        handed = events or {}
        for session_id, appended in handed.items():
            for waiter in self._waiters.get(session_id, ()):
                waiter.offer(appended)
        self._set(id_ for id_ in session_ids if id_ not in handed)
        for waiter in self._waiters.get(None, ()):
            if in_order:
                waiter.offer(in_order)
            else:
                waiter.set()
        self._announce(session_ids)

    def on_announcement(self, session_ids: Iterable[str]) -> None:
        """
        Wake whoever waits for these sessions, to which somebody may have written.
        """
        self._set((*session_ids, None))

    def _set(self, followed: Iterable[str | None]) -> None:
        for session_id in followed:
            for waiter in self._waiters.get(session_id, ()):
                waiter.set()

    def on_remote_commit(self, numbers: Mapping[str, int], newest: Place) -> None:
        """
        Wake whoever has not seen these events yet.

        Args:
            numbers: The latest number of each session that has new events.

            newest: The place of the last of them.
        """
        for session_id, number in numbers.items():
            for waiter in self._waiters.get(session_id, ()):
                waiter.notify_up_to((0, number))
        for waiter in self._waiters.get(None, ()):
            waiter.notify_up_to(newest)

    def on_status_change(self, session_id: str) -> None:
        """
        Wake whoever waits for a change of the session itself.
        """
        for waiter in self._waiters.get(session_id, ()):
            if waiter.watches_status:
                waiter.set()

    def on_unknown_change(self) -> None:
        """
        Have somebody look, if anybody waits for changes of sessions themselves.
        """
        if self._status_watchers:
            self.something_changed.set()

    def is_followed(self, session_id: str) -> bool:
        """
        Tell whether somebody waits for this session.
        """
        return session_id in self._waiters

    def followed_sessions(self) -> set[str]:
        """
        Tell for which sessions somebody waits; any thread may ask.
        """
        # Copied at once: during a comprehension the loop's thread may go on, too.
        return set(filter(None, tuple(self._waiters)))

    @property
    def follows_all(self) -> bool:
        """
        Whether somebody waits for all sessions.
        """
        return None in self._waiters

    def notify_all(self) -> None:
        """
        Wake everyone: their store may have been closed, or hints may have been lost.
        """
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.set()
