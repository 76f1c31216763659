"""
The growing ends of logs in a database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from math import inf
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import InvalidCheckpointError
from asm_async.ports.event_feed_arguments import START, FeedFilter, SessionFilter
from asm_async.ports.following import ReadResult
from asm_async.sql.core import rows, tables
from asm_async.sql.core.session_state import GateState
from asm_async.sql.feed import feed_queries
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.notifications.standings import session_standing
from asm_async.sql.notifications.wake_up import WakeUp
from asm_async.values.checkpoint import Place
from asm_async.values.event import Event
from asm_async.values.session import SessionStatus

__all__ = ["FeedReader", "SessionReader"]

T = TypeVar("T")

# Whoever could read each of many events by itself reads several at a time: it pauses in
# proportion to how long a reading takes, which is long where the loop or the database
# is busy with those who append. Some readings in a row are free.
_PAUSES_PER_READING = 10
_SHORTEST_REST_SECONDS = 0.016
_LONGEST_REST_SECONDS = 0.1
_FREE_READINGS = 4

# How soon to look again for events that an open transaction holds up.
_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.1

_MIN_ROWS_FILTERED = 1_024


class _Reader:
    """
    What the ends of all logs have in common: hints, and turns to read.
    """

    def __init__(
        self,
        context: FeedContext,
        session_id: str | None,
        *,
        watches_status: bool = False,
        takes_events: bool = False,
    ) -> None:
        self.check_usable: Callable[[], object] = context.lifecycle.check_usable
        """
        Refuse to go on in a feed that was closed.
        """
        self._context = context
        self._session_id = session_id
        self._watches_status = watches_status
        self._takes_events = takes_events
        self._registration = ExitStack()
        self._hint = WakeUp()
        self._next_read = -inf
        self._pause = inf

    async def __aenter__(self) -> Self:
        hub = self._context.check_usable().hub
        waiting = hub.waiting_for(
            self._session_id,
            watches_status=self._watches_status,
            takes_events=self._takes_events,
        )
        self._hint = self._registration.enter_context(waiting)
        self._context.join(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """
        Let go of all that was had; to do it twice is allowed.
        """
        self._registration.close()
        await self._context.leave(self)

    async def wait(self, seconds: float | None = None) -> None:
        """
        Wait for a hint, at most so many *seconds*, and then for the turn to read.
        """
        clock = asyncio.get_running_loop().time
        longest = min(inf if seconds is None else seconds, self._pause)
        if longest == inf:
            await self._hint.wait()
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(longest):
                    await self._hint.wait()
        if self._hint.must_read and (early := self._next_read - clock()) > 0:
            await asyncio.sleep(early)

    async def _look(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work* when it is this follower's turn.
        """
        clock = asyncio.get_running_loop().time
        begun = clock()
        found = await self._context.read(self._hint, work)
        now = clock()
        rest = max(_PAUSES_PER_READING * (now - begun), _SHORTEST_REST_SECONDS)
        rest = min(rest, _LONGEST_REST_SECONDS)
        self._next_read = max(self._next_read, now - _FREE_READINGS * rest) + rest
        return found


class SessionReader(_Reader):
    """
    The end of one session's log; a place is a sequence number.
    """

    def __init__(self, context: FeedContext, wanted: SessionFilter) -> None:
        super().__init__(
            context,
            wanted.session_id,
            watches_status=wanted.until_over,
            # Whose the session is when an event is read, only the database tells.
            takes_events=wanted.tenant_id is None,
        )
        self._wanted = wanted
        self._events = feed_queries.events_behind(wanted)
        self._standing = session_standing(wanted.session_id)

    async def read(self, place: int, limit: int) -> ReadResult[int]:
        """
        Read behind the number *place*, unless what comes next was handed over.
        """
        handed = self._hint.drain((0, place), limit)
        if handed is None:
            return await self._read(place, limit)
        return ReadResult(
            found=[
                (committed.read(), committed.number)
                for committed in handed
                if self._wanted.matches(committed.event)
            ],
            place=place + len(handed),
            is_caught_up=self._hint.is_empty,
        )

    async def _read(self, place: int, limit: int) -> ReadResult[int]:
        """
        Read the database.

        How the session stands is read first, where it matters: then all the events that
        it tells of are found.
        """
        wanted = self._wanted

        async def work(conn: AsyncConnection) -> tuple[Any, list[Event]]:
            row = None
            if wanted.leaves_out or wanted.until_over:
                row = (await conn.execute(self._standing)).first()
            parameters = {"number": place, "most": limit}
            found = await conn.execute(self._events, parameters)
            return row, [rows.event_from_row(event) for event in found]

        row, found = await self._look(work)
        is_caught_up = len(found) < limit
        end = found[-1].sequence_number if found else place
        if is_caught_up and row is not None:
            end = max(end, row.last_sequence)
        self._hint.seen = (0, end)
        self._hint.must_read |= not is_caught_up
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
    The end of the feed of all sessions.
    """

    def __init__(self, context: FeedContext, wanted: FeedFilter) -> None:
        # Of an event's session, only the database tells more than its id.
        of_any_session = wanted.agent_id is None and wanted.tenant_id is None
        super().__init__(context, None, takes_events=of_any_session)
        self._wanted = wanted
        self._query = feed_queries.feed_behind(context.feed, wanted)
        self._is_checked = False

    async def read(self, place: Place, limit: int) -> ReadResult[Place]:
        """
        Read behind *place*, unless what comes next was handed over.
        """
        if not self._is_checked:
            await self._check(place)
        handed = self._hint.drain(place, limit)
        if handed is None:
            return await self._read(place, limit)
        types = self._wanted.types
        return ReadResult(
            found=[
                (committed.read(), (0, committed.position))
                for committed in handed
                if types is None or committed.event.type in types
            ],
            place=(0, handed[-1].position) if handed else place,
            is_caught_up=self._hint.is_empty,
        )

    async def _read(self, place: Place, limit: int) -> ReadResult[Place]:
        """
        Read the database, up to the first event that is not settled.
        """
        feed = self._context.feed
        is_filtered = self._wanted != FeedFilter()
        most = max(limit, _MIN_ROWS_FILTERED) if is_filtered else limit
        parameters = {"most": most, **feed.parameters(place)}

        async def work(conn: AsyncConnection) -> list[Any]:
            return list(await conn.execute(self._query, parameters))

        found: list[tuple[Event, Place]] = []
        is_held = is_full = False
        all_rows = await self._look(work)
        for *values, transaction, position, is_below_horizon, is_wanted in all_rows:
            if is_full or not is_below_horizon:
                is_held = not is_full
                break
            place = (transaction, position)
            if is_wanted:
                found.append((Event.from_stored(values), place))
            is_full = len(found) == limit
        self._hint.seen = place
        self._note_held(is_held=is_held)
        has_more = is_full or len(all_rows) == most
        is_caught_up = is_held or not has_more
        self._hint.must_read |= is_held or has_more
        return ReadResult(found=found, place=place, is_caught_up=is_caught_up)

    def _note_held(self, *, is_held: bool) -> None:
        if not is_held:
            self._pause = inf
        elif self._pause == inf:
            self._pause = _FIRST_PAUSE_SECONDS
        else:
            self._pause = min(1.5 * self._pause, _LONGEST_PAUSE_SECONDS)

    async def _check(self, place: Place) -> None:
        """
        Refuse a place that this feed has not come to yet.
        """
        query = self._context.feed.end()

        async def work(conn: AsyncConnection) -> Place:
            transaction, position = (await conn.execute(query)).one()
            return transaction, position

        if place != START and place >= await self._look(work):
            raise InvalidCheckpointError("checkpoint: it lies ahead of this feed")
        self._is_checked = True
