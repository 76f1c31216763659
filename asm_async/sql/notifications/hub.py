"""
Who waits for events of which session, and what wakes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager

from asm_async.sql.notifications.wake_up import CommittedEvent, WakeUp
from asm_async.values.checkpoint import Place


class NotificationHub:
    """
    Wakes the followers of one engine; all its stores and feeds share it.

    It lives in one event loop. Only :meth:`followed_sessions` may be called from
    another thread.

    Args:
        announce: Tells other processes which sessions this one has written to; None
            where they find out by themselves.

        is_writing: Returns whether this process may have committed what it has not
            published yet.
    """

    def __init__(
        self,
        announce: Callable[[Collection[str]], None] | None = None,
        *,
        is_writing: Callable[[], bool] = bool,
    ) -> None:
        self.is_writing = is_writing
        self.is_needed: bool = announce is not None
        """
        Whether a commit has to be published: somebody follows here, or other processes
        are told. A plain attribute, so that a commit that nobody follows pays no more
        than a look at it.
        """
        self.something_changed: asyncio.Event = asyncio.Event()
        """
        Set when the status of some session may have changed, it is not known of which.
        """
        self._announce = announce
        self._waiters: dict[str | None, set[WakeUp]] = {}
        self._status_watchers = 0

    @contextmanager
    def waiting_for(
        self, session_id: str | None, waiter: WakeUp | None = None
    ) -> Generator[WakeUp]:
        """
        Register a waiter, which is set whenever the session may have new events.

        Register before reading: what is committed between a read and a registration
        behind it would be missed. None stands for all sessions.
        """
        waiter = waiter or WakeUp()
        self._waiters.setdefault(session_id, set()).add(waiter)
        self._status_watchers += waiter.watches_status
        self.is_needed = True
        try:
            yield waiter
        finally:
            self._status_watchers -= waiter.watches_status
            waiters = self._waiters[session_id]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[session_id]
            self.is_needed = bool(self._waiters) or self._announce is not None

    def publish(
        self,
        changed: Collection[str],
        appended: Sequence[CommittedEvent] = (),
        first_position: int | None = None,
    ) -> None:
        """
        Wake those who wait for what this process has committed.

        Args:
            changed: The sessions that were changed in another way than by appending.

            appended: The events that were appended, or found stored already, in the
                order in which they were inserted.

            first_position: The place in the feed of the first of them, behind which the
                others stand one by one; None where only reading tells.
        """
        if self._waiters:
            self._hand_over(changed, appended)
            for waiter in self._waiters.get(None, ()):
                if first_position is None or changed:
                    waiter.set()
                else:
                    waiter.offer(enumerate(appended, first_position))
        if self._announce is not None:
            self._announce({*changed, *(event.session_id for event, _ in appended)})

    def _hand_over(
        self, changed: Collection[str], appended: Sequence[CommittedEvent]
    ) -> None:
        offers: dict[str, list[tuple[int, CommittedEvent]]] = {}
        for committed in appended:
            event, _ = committed
            if event.session_id in self._waiters:
                numbered = event.sequence_number, committed
                offers.setdefault(event.session_id, []).append(numbered)
        for session_id in changed:
            offers.pop(session_id, None)
            self._set(session_id)
        for session_id, numbered_events in offers.items():
            for waiter in self._waiters[session_id]:
                waiter.offer(numbered_events)

    def _set(self, session_id: str | None) -> None:
        for waiter in self._waiters.get(session_id, ()):
            waiter.set()

    def on_announcement(self, session_ids: Collection[str]) -> None:
        """
        Wake those who wait for sessions that another process may have written to.
        """
        for session_id in (*session_ids, None):
            self._set(session_id)

    def on_remote_commit(self, numbers: Mapping[str, int], newest: Place) -> None:
        """
        Wake those who have not seen a session's latest number, or the newest place.
        """
        for session_id, number in numbers.items():
            for waiter in self._waiters.get(session_id, ()):
                waiter.notify_up_to((0, number))
        for waiter in self._waiters.get(None, ()):
            waiter.notify_up_to(newest)

    def on_status_change(self, session_id: str) -> None:
        """
        Wake those who wait for a change of the session itself.
        """
        for waiter in self._waiters.get(session_id, ()):
            if waiter.watches_status:
                waiter.set()

    def on_unknown_change(self) -> None:
        """
        Ask for a look at the sessions, if anybody waits for changes of them.
        """
        if self._status_watchers:
            self.something_changed.set()

    def followed_sessions(self) -> set[str]:
        """
        Return the sessions that somebody waits for; any thread may ask.
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
        Wake everyone: their store may have been closed, or something was missed.
        """
        for session_id in self._waiters:
            self._set(session_id)
