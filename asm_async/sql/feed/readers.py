"""
Reads the growing ends of logs in a database, for one follower each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from math import inf
from typing import Any, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.fronts.following import ReadResult
from asm_async.fronts.lost_history import ahead, gone, is_lost, restored
from asm_async.sql.core import feed_timing as timing
from asm_async.sql.core import tables
from asm_async.sql.feed import queries
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.notifications.committed_events import stored_event, undecoded_event
from asm_async.sql.notifications.hub import WakeUp
from asm_async.values.checkpoint import START, Place, Witness, mark_of, witness_of
from asm_async.values.event import Event

T = TypeVar("T")

_ID, _SESSION_ID, _NUMBER = map(
    tables.events.c.keys().index, ("id", "session_id", "sequence_number")
)

# A row of the feed: an event, its place, whether it is settled, whether it is wanted.
_WIDTH = len(tables.events.c)
_EVENT, _PLACE = slice(_WIDTH), slice(_WIDTH, _WIDTH + 2)
_IS_SETTLED, _IS_WANTED = _WIDTH + 2, _WIDTH + 3

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
        self._witness: Witness | None = None
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
        # To be closed wakes everyone; but what a read began with was cleared by it.
        self.check_usable()
        clock = asyncio.get_running_loop().time
        longest = min(inf if seconds is None else seconds, self._pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if longest == inf else longest):
                await self._wake_up.wait()
        if self._wake_up.must_read and (early := self._next_read - clock()) > 0:
            await asyncio.sleep(early)

    def expect(self, witness: Witness | None) -> None:
        self._witness = witness

    def _note_seen(self, place: Place) -> None:
        """
        Let the look for lost notifications know how far this reader is.
        """
        witness, wake_up = self._witness, self._wake_up
        is_there = witness is not None and (
            self._session_id is None or place[1] == witness.sequence_number
        )
        wake_up.seen = place
        wake_up.seen_mark = witness.mark if witness and is_there else None

    async def _query(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        may_lag: bool = True,
    ) -> T:
        """
        Do *work*, and put off the next read in proportion to how long it takes.
        """
        clock = asyncio.get_running_loop().time
        begun = clock()
        found = await self._context.read(self._wake_up, work, may_lag=may_lag)
        now = clock()
        rest = max(timing.READ_RESTS_PER_READ * (now - begun), timing.MIN_READ_REST)
        rest = min(rest, timing.MAX_READ_REST)
        self._next_read = max(self._next_read, now - timing.FREE_READS * rest) + rest
        return found


class SessionReader(_Reader):
    """
    Reads one session's log; a place is a sequence number.
    """

    def __init__(
        self, context: FeedContext, wanted: SessionFeedFilter, *, is_decoded: bool
    ) -> None:
        wake_up = WakeUp(
            watches_status=wanted.until_over,
            # Whose the session is when an event is read, only the database tells.
            takes_events=not wanted.is_of_some_owner,
        )
        super().__init__(context, wanted.session_id, wake_up)
        self._event_of = stored_event if is_decoded else undecoded_event
        self._wanted = wanted
        self._events = queries.events_behind(wanted, is_decoded=is_decoded)
        self._standing = queries.session_standing(context.feed, wanted.session_id)
        self._has_begun = False

    async def read(self, place: int, limit: int) -> ReadResult[int]:
        offered = self._wake_up.drain((0, place), limit)
        if offered is None:
            return await self._read(place, limit)
        if offered:
            self._witness = witness_of(offered[-1][1][0])
        return ReadResult(
            found=[
                (self._event_of(committed), number)
                for number, committed in offered
                if self._wanted.matches(committed[0])
            ],
            place=place + len(offered),
            is_caught_up=self._wake_up.is_empty,
        )

    async def _read(self, place: int, limit: int) -> ReadResult[int]:
        wanted, witness = self._wanted, self._witness
        # Where the counter is read first, it tells of the witness, too.
        reads_counter = wanted.leaves_out or wanted.until_over
        reads_witness = witness is not None and not reads_counter
        if witness is None and place:
            # Which event that was, the log has to tell once it has come that far.
            witness = Witness(wanted.session_id, place, 0)
        parameters = queries.witness_parameters(witness)
        number, most = (place - 1, limit + 1) if reads_witness else (place, limit)

        async def stand(conn: AsyncConnection) -> Any:
            return (await conn.execute(self._standing, parameters)).one()

        async def work(conn: AsyncConnection) -> tuple[Any, list[Any], Any]:
            before = after = None
            # Read first, so that all the events that the session counts are found.
            if reads_counter:
                before = await stand(conn)
            bounds = {"number": number, "most": most, **parameters}
            found = [*(await conn.execute(self._events, bounds)).all()]
            stands = self._stands(found) if reads_witness else bool(found)
            if reads_witness:
                del found[: bool(found) and found[0][_NUMBER] == place]
            if before is None and witness is not None and not stands:
                # It may count more than was found, and says nothing of how far to go.
                after = await stand(conn)
            return before, found, after

        # Whether this is the history to go on in, a standby that lags cannot tell.
        row, found_rows, after = await self._query(work, may_lag=self._has_begun)
        self._has_begun = True
        if (standing := row or after) is not None:
            self._judge(standing, place)
            self._wake_up.seen_standing = standing.state, standing.status
        found = [*map(Event.from_stored, found_rows[:limit])]
        is_caught_up = len(found) < limit
        end = place
        if found:
            end, self._witness = found[-1].sequence_number, witness_of(found[-1])
        if is_caught_up and row is not None:
            end = self._skip_to(row, end)
        self._note_seen((0, end))
        self._wake_up.must_read |= not is_caught_up
        return ReadResult(
            found=[(event, event.sequence_number) for event in found],
            place=end,
            is_caught_up=is_caught_up,
            is_over=is_caught_up and wanted.until_over and queries.is_over(row),
        )

    def _skip_to(self, row: Any, end: int) -> int:
        """
        Go on behind all that the session counts, since nothing more of it is wanted.
        """
        if (row.last_sequence or 0) <= end:
            return end
        # If the last one was pruned, an earlier one goes on to bear witness.
        if row.last_id is not None:
            mark = mark_of(row.last_id)
            self._witness = Witness(row.session_id, row.last_sequence, mark)
        return int(row.last_sequence)

    def _stands(self, found: Sequence[Any]) -> bool:
        """
        Return whether what was found begins with the witness.
        """
        witness = self._witness
        return (
            witness is not None
            and bool(found)
            and found[0][_NUMBER] == witness.sequence_number
            and mark_of(found[0][_ID]) == witness.mark
        )

    def _judge(self, row: Any, place: int) -> None:
        """
        Refuse to go on in another history than the witness is of.
        """
        witness = self._witness
        mark = None if row.witness_id is None else mark_of(row.witness_id)
        if witness is None:
            if mark is not None:
                self._witness = Witness(self._wanted.session_id, place, mark)
            return
        latest = row.last_sequence
        lags = row.may_lag and (latest or 0) < witness.sequence_number
        if not lags and is_lost(witness, mark=mark, is_moved=False, latest=latest):
            raise gone(
                self._context.log_throttle, witness, f"session {witness.session_id!r}"
            )


class FeedReader(_Reader):
    """
    Reads the feed of all sessions.
    """

    def __init__(
        self, context: FeedContext, wanted: FeedFilter, *, is_decoded: bool
    ) -> None:
        # Of an event's session, only the database tells more than its id.
        owners = (wanted.agent_id, wanted.tenant_id, wanted.user_id)
        of_any_session = all(owner is None for owner in owners)
        wake_up = WakeUp(takes_events=of_any_session)
        super().__init__(context, None, wake_up)
        self._event_of = stored_event if is_decoded else undecoded_event
        self._wanted = wanted
        self._events = queries.feed_from(context.feed, wanted, is_decoded=is_decoded)
        self._standing = queries.feed_standing(context.feed, wanted.tenant_id)
        self._newest = queries.newest_place(context.feed)
        self._is_checked = False

    async def read(self, place: Place, limit: int) -> ReadResult[Place]:
        if not self._is_checked:
            await self._check(place)
        offered = self._wake_up.drain(place, limit)
        if offered is None:
            return await self._read(place, limit)
        if offered:
            self._witness = witness_of(offered[-1][1][0])
        types = self._wanted.types
        return ReadResult(
            found=[
                (self._event_of(committed), (0, position))
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
        feed, witness = self._context.feed, self._witness
        is_filtered = self._wanted != FeedFilter()
        # Few are read where large ones are expected.
        is_sparse = is_filtered and limit >= _MIN_EVENTS_FILTERED
        most = max(limit, _MIN_ROWS_FILTERED) if is_sparse else limit
        # One more, for the event at the place itself.
        parameters = {"most": most + 1, **feed.parameters(place)}

        async def work(conn: AsyncConnection) -> tuple[list[Any], Any]:
            rows = [*(await conn.execute(self._events, parameters)).all()]
            is_at_place = bool(rows) and tuple(rows[0][_PLACE]) == place
            stands = witness is None or (is_at_place and _is_of(witness, rows[0]))
            del rows[:is_at_place]
            return rows, None if stands else await self._stand(conn, place)

        found: list[tuple[Event, Place]] = []
        is_held = is_full = False
        last: Sequence[Any] | None = None
        all_rows, standing = await self._query(work)
        if standing is not None:
            self._judge(standing, place)
        for row in all_rows:
            if is_full or not row[_IS_SETTLED]:
                is_held = not is_full
                break
            place, last = tuple(row[_PLACE]), row
            if not is_filtered or row[_IS_WANTED]:
                found.append((Event.from_stored(row[_EVENT]), place))
            is_full = len(found) == limit
        if last is not None:
            mark = mark_of(last[_ID])
            self._witness = Witness(last[_SESSION_ID], last[_NUMBER], mark)
        self._note_seen(place)
        self._note_held(is_held=is_held)
        has_more = is_full or len(all_rows) >= most
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
        """
        Look once, before the first read, whether this is the history to go on in.
        """

        async def work(conn: AsyncConnection) -> tuple[Any, Any]:
            newest = (await conn.execute(self._newest)).first()
            return newest, await self._stand(conn, place)

        newest, standing = await self._query(work, may_lag=False)
        # This was no read: what is offered since is not all that there is.
        self._wake_up.must_read = True
        end = standing.next_transaction, standing.next_position
        if newest is not None and (newest[0], newest[1]) >= end:
            raise restored(self._context.log_throttle, "feed")
        self._is_checked = self._judge(standing, place)

    async def _stand(self, conn: AsyncConnection, place: Place) -> Any:
        parameters = queries.witness_parameters(self._witness)
        parameters |= self._context.feed.parameters(place)
        return (await conn.execute(self._standing, parameters)).one()

    def _judge(self, row: Any, place: Place) -> bool:
        """
        Refuse to go on in another history than the place is of.

        Returns:
            False if that cannot be told yet: a standby may have to catch up.
        """
        witness = self._witness
        if place == START:
            return True
        is_ahead = place >= (row.next_transaction, row.next_position)
        if is_ahead and not row.may_lag:
            raise ahead(self._context.log_throttle)
        if witness is None or is_ahead:
            return not is_ahead
        latest = row.last_sequence
        if row.may_lag and (latest is None or latest < witness.sequence_number):
            return False
        if latest is None and self._wanted.tenant_id is not None:
            # Another tenant's session, or none: which, is not for this tenant to know.
            return True
        if row.is_misplaced:
            raise restored(self._context.log_throttle, "checkpoint")
        mark = None if row.witness_id is None else mark_of(row.witness_id)
        is_moved = (row.at_transaction, row.at_position) != place
        is_other = mark is None and row.id_at_place is not None
        if is_other or is_lost(witness, mark=mark, is_moved=is_moved, latest=latest):
            raise gone(self._context.log_throttle, witness, "checkpoint")
        return True


def _is_of(witness: Witness, row: Sequence[Any]) -> bool:
    """
    Return whether the event at a place is the witness, and was written there.
    """
    return row[_IS_SETTLED] and mark_of(row[_ID]) == witness.mark
