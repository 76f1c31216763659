"""
What of a session's log is its history for the SDK, and how it is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, TypeAlias

import attrs

from asm_async.errors import (
    EventConflictError,
    SequenceConflictError,
    SessionNotFoundError,
)
from asm_async.integrations.records.openai_items import is_item, item_of
from asm_async.ports.session_store import SessionStore
from asm_async.values.changes import Changes
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.ids import new_event_id
from asm_async.values.retraction import (
    RETRACTIONS,
    Ranges,
    hidden_ranges,
    is_hidden,
    merged,
)
from asm_async.values.session import Session

SECONDS_TO_RETRY = 30.0
"""
How long an item is taken back again while others write to the session.
"""

MAX_RANGES = 100
"""
In how many ranges hidden events may lie before some become one.

A store takes 1,000, but each retraction names them all.
"""

MIN_MERGED = 10
"""
How many ranges there are less at least when some become one.
"""

PAGE_SIZE = 200
"""
How many events are read at once where any number of them may be looked at.
"""

IsExpired: TypeAlias = Callable[[Any], bool]
"""
Returns whether an item may go with what is older.
"""


@attrs.frozen
class History:
    """
    The items of one session, as events of its log.

    An item that is taken back stays in the log, hidden from readers by an event that
    says so. What others append, such as the recorder of a run, is no item, and is
    passed over.
    """

    store: SessionStore
    """
    Where it is.
    """

    session: Session
    """
    The session, as it is made if it is not there.
    """

    @property
    def session_id(self) -> str:
        """
        The id of the session.
        """
        return self.session.id

    @property
    def expected_tenant(self) -> str | None:
        """
        Whose the session must be, if that is known.
        """
        return self.session.tenant_id

    async def append(self, events: Sequence[Event], *, again: bool = False) -> None:
        """
        Append the events of items, and make the session if it is not there.

        Args:
            events: Of new items, in order.

            again: Whether some may be stored already, by an earlier call.
        """
        try:
            await self._append(events)
        except EventConflictError:
            if not again:
                raise
            await self._append(await self._with_stored_times(events))

    async def read(self, limit: int | None) -> list[Event]:
        """
        Return the events of the latest *limit* items, of all if it is None.
        """
        if limit == 0:
            return []
        window = limit
        while True:
            # All is read again, since what was visible a page ago may be hidden now.
            visible = await self._visible(last=window)
            found = [event for event in visible if is_item(event)]
            if limit is None or window is None:
                return found
            if len(found) >= limit or len(visible) < window:
                return found[-limit:]
            window *= 2

    async def pop(self) -> Event | None:
        """
        Hide the latest item, and return its event; None if there is none.

        Raises:
            SequenceConflictError: If others went on writing for too long.
        """
        deadline = _now() + SECONDS_TO_RETRY
        while True:
            tail = await self._events(last=1)
            if not tail:
                return None
            latest = tail[0].sequence_number
            # Nothing stands behind the latest event that could hide it.
            found = (tail[0], latest) if is_item(tail[0]) else await self._find(latest)
            if found is None:
                return None
            event, last = found
            try:
                await self._retract(event.sequence_number, last, latest)
            except SequenceConflictError:
                if _now() >= deadline:
                    raise
            else:
                return event

    async def clear(self) -> None:
        """
        Hide all that there is; what is appended meanwhile comes after it, and stays.
        """
        for event in await self._visible(last=1):
            await self._hide_first(event.sequence_number)

    async def replace_suffix(
        self, expected: Sequence[Event], replacement: Sequence[Event]
    ) -> bool:
        """
        Put other events in the place of the latest items, if these are still the same.

        Returns:
            Whether they were.

        Raises:
            SequenceConflictError: If others went on writing for too long.
        """
        deadline = _now() + SECONDS_TO_RETRY
        numbers = [event.sequence_number for event in expected]
        while True:
            latest = await self._latest()
            current = await self.read(len(numbers))
            if [event.sequence_number for event in current] != numbers:
                return False
            try:
                await self._retract(numbers[0], latest, latest, replacement)
            except SequenceConflictError:
                if _now() >= deadline:
                    raise
            else:
                return True

    async def hide_expired(self, before: int, is_expired: IsExpired) -> None:
        """
        Hide the oldest items up to the first that is not expired.

        Args:
            before: The number at which to stop at the latest.

            is_expired: Is called with an item.
        """
        last = after = 0
        while page := await self._visible(after=after, before=before, limit=PAGE_SIZE):
            expired = list(takewhile(lambda each: _may_go(each, is_expired), page))
            last = max([last, *(e.sequence_number for e in expired if is_item(e))])
            if len(expired) < len(page):
                break
            after = page[-1].sequence_number
        if last:
            await self._hide_first(last)

    async def _append(self, events: Sequence[Event]) -> None:
        tenant = self.expected_tenant
        try:
            await self.store.append_events(events, expected_tenant=tenant)
        except SessionNotFoundError:
            changes = Changes(events=tuple(events), create_session=self.session)
            await self.store.commit(changes, expected_tenant=tenant)

    async def _with_stored_times(self, events: Sequence[Event]) -> list[Event]:
        """
        Return the events with the times of those that are stored already.

        The time is part of what makes events equal, and says only when the first call
        was made.
        """
        stored = await self._events(ids=[event.id for event in events])
        times = {event.id: event.timestamp for event in stored}
        return [
            attrs.evolve(event, timestamp=times.get(event.id, event.timestamp))
            for event in events
        ]

    async def _find(self, latest: int) -> tuple[Event, int] | None:
        """
        Return the event of the latest item, and up to where nothing visible follows.
        """
        window = 2
        while True:
            visible = await self._visible(last=window)
            last = latest
            for event in reversed(visible):
                if is_item(event):
                    return event, last
                last = event.sequence_number - 1
            if len(visible) < window:
                return None
            window *= 2

    async def _hide_first(self, last: int) -> None:
        # All is one range then, however many there were.
        await self.store.retract_events(
            self.session_id,
            first=1,
            last=last,
            expected_tenant=self.expected_tenant,
        )

    async def _retract(
        self,
        first: int,
        last: int,
        latest: int,
        replacement: Sequence[Event] = (),
    ) -> None:
        """
        Hide the events from *first* to *last*, if *latest* is still the latest number.

        An event right before them that tells of an earlier retraction is hidden too: it
        says nothing that this one does not, and would lie between two ranges.

        Where there would be too many ranges, some become one: what is visible between
        them, and behind, is hidden as well, and is written once more. So items can be
        taken back without end.
        """
        ranges: Ranges = ()
        for told in await self._events(correlation_id=RETRACTIONS, last=1):
            ranges = hidden_ranges(told.data)
            for before in await self._events(before=first, last=1):
                if before.type == EVENTS_RETRACTED:
                    first = before.sequence_number
        hidden = (first, last)
        ranges = merged([*ranges, hidden])
        if len(ranges) > MAX_RANGES:
            first, last = _first_to_merge(ranges, latest), latest
            kept = [
                attrs.evolve(event, id=new_event_id(), sequence_number=0)
                for event in await self._visible(after=first - 1)
                if not is_hidden(event.sequence_number, (hidden,))
            ]
            replacement = [*kept, *replacement]
        await self.store.retract_events(
            self.session_id,
            first=first,
            last=last,
            replacement=replacement,
            expected_sequence=latest,
            expected_tenant=self.expected_tenant,
        )

    async def _latest(self) -> int:
        for event in await self._events(last=1):
            return event.sequence_number
        return 0

    async def _visible(self, **filters: Any) -> list[Event]:
        return await self._events(visible_only=True, **filters)

    async def _events(self, **filters: Any) -> list[Event]:
        """
        Read events; there are none where there is no session, or another tenant's.
        """
        try:
            return await self.store.get_events(
                self.session_id, expected_tenant=self.expected_tenant, **filters
            )
        except SessionNotFoundError:
            return []


def _may_go(event: Event, is_expired: IsExpired) -> bool:
    return not is_item(event) or is_expired(item_of(event))


def _first_to_merge(ranges: Ranges, latest: int) -> int:
    """
    Return from where on everything becomes one range at the least cost.

    All that is visible behind is written again, so that ranges are joined where little
    lies between them: what was written again once lies behind a range of its own, and
    is left alone as long as there are others.
    """
    costs: list[tuple[float, int]] = []
    visible = latest - ranges[-1][1]
    for place in range(len(ranges) - 2, -1, -1):
        visible += ranges[place + 1][0] - ranges[place][1] - 1
        saved = len(ranges) - 1 - place
        if saved >= MIN_MERGED:
            costs.append((visible / saved, place))
    _, place = min(costs)
    return ranges[place][0]


def _now() -> float:
    return asyncio.get_running_loop().time()
