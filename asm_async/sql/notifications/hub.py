"""
Who waits for events of which session, and what wakes them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from asm_async.fronts.following import MAX_HELD_BYTES, READ_BATCH_SIZE
from asm_async.sql.notifications.committed_events import CommittedEvent, size_of
from asm_async.values.checkpoint import Place, mark_of

Standing: TypeAlias = tuple[Any, Any]
"""
The state of a session's counter, and the session's status.
"""


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
        self.seen_mark: int | None = None
        """
        The mark of the event that was seen there; None if it is not known.
        """
        self.seen_standing: Standing | None = None
        """
        How the session stood when its owner read that last; None if it did not.
        """
        self._noted: tuple[Place, int | None] = self.seen, None
        self._takes_events = takes_events
        self._offered: deque[tuple[int, CommittedEvent]] = deque()
        self._offered_bytes = 0

    def set(self) -> None:
        """
        Have the database read, which also has all that was offered.
        """
        self.must_read = True
        self._offered.clear()
        self._offered_bytes = 0
        super().set()

    def clear(self) -> None:
        """
        Buffer what is offered from now on: the read that begins will find the rest.
        """
        self.must_read = not self._takes_events
        self._offered.clear()
        self._offered_bytes = 0
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
                self.seen, self.seen_mark = newest, None

    def note_seen(self) -> None:
        """
        Note how far its owner is, for :meth:`compare` with what is found from now on.
        """
        self._noted = self.seen, self.seen_mark

    def compare(self, newest: Place, event_id: str | None) -> None:
        """
        Set it if its owner has not seen up to *newest*, or has seen what is not there.

        What was found lies behind what had been seen before, and at the same place is
        the same event. If not, history went backwards: reading tells.
        """
        noted, mark = self._noted
        is_same = None in (mark, event_id) or mark_of(str(event_id)) == mark
        if newest < noted or (newest == noted and not is_same):
            self.set()
        else:
            self.notify_up_to(newest)

    def offer(self, numbered: Iterable[tuple[int, CommittedEvent]]) -> None:
        """
        Buffer those events that come next, or have the database read.
        """
        if self.must_read:
            self.set()
            return
        _, last = self.known
        for number, committed in numbered:
            if number < last or (number == last and not self._is_other(committed)):
                continue
            # Before the first one there may be a gap: a read that is under way may
            # close it, so that only drain() can tell.
            if number == last or (self._offered and number > last + 1):
                self.set()
                return
            self._offered.append((number, committed))
            self._offered_bytes += size_of(committed)
            last = number
        is_large = self._offered_bytes > MAX_HELD_BYTES and len(self._offered) > 1
        if is_large or len(self._offered) > READ_BATCH_SIZE:
            # A slow follower holds no more events than one that reads.
            self.set()
        elif self._offered:
            super().set()

    def _is_other(self, committed: CommittedEvent) -> bool:
        """
        Return whether another event was known to be the last: history went backwards.
        """
        last = self._offered[-1][1][0] if self._offered else None
        mark = mark_of(last.id) if last else self.seen_mark
        return mark is not None and mark_of(committed[0].id) != mark

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
            self._offered_bytes -= size_of(offered.popleft()[1])
        # A consumer that goes back, to be given again what it has not acknowledged,
        # is not where it was seen last.
        has_gap = bool(offered) and offered[0][0] > number + 1
        if self.must_read or place != self.seen or has_gap:
            return None
        drained = [offered.popleft() for _ in range(min(limit, len(offered)))]
        self._offered_bytes -= sum(size_of(committed) for _, committed in drained)
        if not offered:
            super().clear()
        if drained:
            _, (last, _) = drained[-1]
            self.seen, self.seen_mark = (0, number + len(drained)), mark_of(last.id)
        return drained

    @property
    def is_empty(self) -> bool:
        """
        Whether no more events are buffered.
        """
        return not self._offered


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
        try:
            if self._waiters:
                self._hand_over(changed, appended, first_position)
        finally:
            if self._announce is not None:
                self._announce({*changed, *(event.session_id for event, _ in appended)})

    def _hand_over(
        self,
        changed: Collection[str],
        appended: Sequence[CommittedEvent],
        first_position: int | None,
    ) -> None:
        for waiter in self._waiters.get(None, ()):
            if first_position is None or changed:
                waiter.set()
            else:
                waiter.offer(enumerate(appended, first_position))
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

    def note_seen(self) -> None:
        """
        Note how far everyone is, before a look at the database begins.
        """
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.note_seen()

    def on_look(
        self,
        latest: Mapping[str, tuple[int, str | None]],
        newest: tuple[Place, str | None],
    ) -> None:
        """
        Wake those who have not seen what was found, or have seen what is not there.

        Args:
            latest: Of sessions, the latest number and the id of its event.

            newest: The last place of the feed, and the id of its event.
        """
        for session_id, (number, event_id) in latest.items():
            for waiter in self._waiters.get(session_id, ()):
                waiter.compare((0, number), event_id)
        for waiter in self._waiters.get(None, ()):
            waiter.compare(*newest)

    def on_standing(self, session_id: str, standing: Standing) -> None:
        """
        Wake those who wait for a change of the session itself, and have seen another.

        It is compared with what they have read, not with what was found before: where
        standbys answer, one that lags may have been read since.
        """
        for waiter in self._waiters.get(session_id, ()):
            if waiter.watches_status and waiter.seen_standing != standing:
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
