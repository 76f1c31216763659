"""
Reads the growing ends of logs in a database, for one follower each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from math import inf
from typing import Any, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import InvalidCheckpointError
from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.fronts.following import ReadResult
from asm_async.sql.core import feed_timing as timing
from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.feed import queries
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.notifications.hub import WakeUp, stored_event
from asm_async.values.checkpoint import START, Place
from asm_async.values.event import Event
from asm_async.values.session import SessionStatus

T = TypeVar("T")

# What a filter lets through may lie far apart.
_MIN_ROWS_FILTERED = 1_024
_MIN_EVENTS_FILTERED = 64


class _Reader:
    """
    What the readers of all logs have in common: being woken, and when to read.
    """

    def __init__(
        self, context: FeedContext, session_id: str | None, wake_up: WakeUp
    ) -> None:
        self.check_usable: Callable[[], object] = context.lifecycle.check_usable
        """
        Refuse to go on in a feed that was closed.
        """
        self._context = context
        self._session_id = session_id
        self._wake_up = wake_up
        self._registration = ExitStack()
        self._next_read = -inf
        self._pause = inf

    async def __aenter__(self) -> Self:
        hub = self._context.lifecycle.check_usable().hub
        waiting = hub.waiting_for(self._session_id, self._wake_up)
        self._registration.enter_context(waiting)
        self._context.join(self.leave)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        self._registration.close()
        await self._context.leave(self.leave)

    async def wait(self, seconds: float | None = None) -> None:
        """
        Wait until woken, at most so many *seconds*, and then until it may read again.
        """
        clock = asyncio.get_running_loop().time
        longest = min(inf if seconds is None else seconds, self._pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if longest == inf else longest):
                await self._wake_up.wait()
        if self._wake_up.must_read and (early := self._next_read - clock()) > 0:
            await asyncio.sleep(early)

    async def _query(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, and put off the next read in proportion to how long it takes.
        """
        clock = asyncio.get_running_loop().time
        begun = clock()
        found = await self._context.read(self._wake_up, work)
        now = clock()
        rest = max(timing.READ_RESTS_PER_READ * (now - begun), timing.MIN_READ_REST)
        rest = min(rest, timing.MAX_READ_REST)
        self._next_read = max(self._next_read, now - timing.FREE_READS * rest) + rest
        return found


class SessionReader(_Reader):
    """
    Reads one session's log; a place is a sequence number.
    """

    def __init__(self, context: FeedContext, wanted: SessionFeedFilter) -> None:
        wake_up = WakeUp(
            watches_status=wanted.until_over,
            # Which tenant the session belongs to when an event is read, only the
            # database tells.
            takes_events=wanted.tenant_id is None,
        )
        super().__init__(context, wanted.session_id, wake_up)
        self._wanted = wanted
        self._events = queries.events_behind(wanted)
        self._standing = queries.standing_of(
            lambda session_id: session_id == wanted.session_id
        )

    async def read(self, place: int, limit: int) -> ReadResult[int]:
        offered = self._wake_up.drain((0, place), limit)
        if offered is None:
            return await self._read(place, limit)
        return ReadResult(
            found=[
                (stored_event(committed), number)
                for number, committed in offered
                if self._wanted.matches(committed[0])
            ],
            place=place + len(offered),
            is_caught_up=self._wake_up.is_empty,
        )

    async def _read(self, place: int, limit: int) -> ReadResult[int]:
        wanted = self._wanted

        async def work(conn: AsyncConnection) -> tuple[Any, list[Event]]:
            row = None
            # Read first, so that all the events that the session counts are found.
            if wanted.leaves_out or wanted.until_over:
                row = (await conn.execute(self._standing)).first()
            parameters = {"number": place, "most": limit}
            found = await conn.execute(self._events, parameters)
            return row, [Event.from_stored(event) for event in found]

        row, found = await self._query(work)
        is_caught_up = len(found) < limit
        end = found[-1].sequence_number if found else place
        if is_caught_up and row is not None:
            end = max(end, row.last_sequence)
        self._wake_up.seen = (0, end)
        self._wake_up.must_read |= not is_caught_up
        return ReadResult(
            found=[(event, event.sequence_number) for event in found],
            place=end,
            is_caught_up=is_caught_up,
            is_over=is_caught_up and wanted.until_over and _is_over(row),
        )


def _is_over(row: Any) -> bool:
    if row is None:
        return False
    if row.state != GateState.LIVE or row.status is None:
        return True
    with rows.reading(tables.sessions):
        return SessionStatus(row.status).is_over


class FeedReader(_Reader):
    """
    Reads the feed of all sessions.
    """

    def __init__(self, context: FeedContext, wanted: FeedFilter) -> None:
        # Of an event's session, only the database tells more than its id.
        of_any_session = wanted.agent_id is None and wanted.tenant_id is None
        super().__init__(context, None, WakeUp(takes_events=of_any_session))
        self._wanted = wanted
        self._events = queries.feed_behind(context.feed, wanted)
        self._is_checked = False

    async def read(self, place: Place, limit: int) -> ReadResult[Place]:
        if not self._is_checked:
            await self._check(place)
        offered = self._wake_up.drain(place, limit)
        if offered is None:
            return await self._read(place, limit)
        types = self._wanted.types
        return ReadResult(
            found=[
                (stored_event(committed), (0, position))
                for position, committed in offered
                if types is None or committed[0].type in types
            ],
            place=(0, offered[-1][0]) if offered else place,
            is_caught_up=self._wake_up.is_empty,
        )

    async def _read(self, place: Place, limit: int) -> ReadResult[Place]:
        """
        Read the database, up to the first event that is not settled.
        """
        feed = self._context.feed
        is_filtered = self._wanted != FeedFilter()
        # Few are read where large ones are expected.
        is_sparse = is_filtered and limit >= _MIN_EVENTS_FILTERED
        most = max(limit, _MIN_ROWS_FILTERED) if is_sparse else limit
        parameters = {"most": most, **feed.parameters(place)}

        async def work(conn: AsyncConnection) -> list[Any]:
            return list(await conn.execute(self._events, parameters))

        found: list[tuple[Event, Place]] = []
        is_held = is_full = False
        all_rows = await self._query(work)
        for *values, transaction, position, is_below_horizon, is_wanted in all_rows:
            if is_full or not is_below_horizon:
                is_held = not is_full
                break
            place = (transaction, position)
            if is_wanted:
                found.append((Event.from_stored(values), place))
            is_full = len(found) == limit
        self._wake_up.seen = place
        self._note_held(is_held=is_held)
        has_more = is_full or len(all_rows) == most
        is_caught_up = is_held or not has_more
        self._wake_up.must_read |= is_held or has_more
        return ReadResult(found=found, place=place, is_caught_up=is_caught_up)

    def _note_held(self, *, is_held: bool) -> None:
        if not is_held:
            self._pause = inf
        elif self._pause == inf:
            self._pause = timing.MIN_HELD_PAUSE
        else:
            self._pause = min(1.5 * self._pause, timing.MAX_HELD_PAUSE)

    async def _check(self, place: Place) -> None:
        query = self._context.feed.end()

        async def work(conn: AsyncConnection) -> Place:
            transaction, position = (await conn.execute(query)).one()
            return transaction, position

        if place != START and place >= await self._query(work):
            raise InvalidCheckpointError("checkpoint: it lies ahead of this feed")
        self._is_checked = True
