"""
The growing ends of the logs that are kept in memory.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice, takewhile
from types import TracebackType
from typing import Self

import attrs

from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.fronts.following import ReadResult
from asm_async.fronts.lost_history import ahead, gone, is_lost
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.values.checkpoint import Place, Witness, mark_of
from asm_async.values.event import Event

_MAX_EVENTS_SCANNED = 1_024


class _Reader:
    """
    What both have in common: being woken.
    """

    def __init__(self, access: DatabaseAccess, session_id: str | None) -> None:
        self._access = access
        self._waiter = access.unchecked.waiter(session_id)
        self._witness: Witness | None = None

    def expect(self, witness: Witness | None) -> None:
        self._witness = witness

    async def __aenter__(self) -> Self:
        self.check_usable()
        self._woken = self._waiter.__enter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._waiter.__exit__(exc_type, exc, traceback)

    def check_usable(self) -> InMemoryDatabase:
        return self._access.database

    async def wait(self, seconds: float | None = None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self.check_usable()

    def _begin(self) -> InMemoryDatabase:
        self._woken.clear()
        return self.check_usable()

    def _check(self, name: str, position: int | None = None) -> None:
        """
        Look once whether the expected event stands where it was given.
        """
        witness, self._witness = self._witness, None
        if witness is None:
            return
        database = self._access.database
        stored = database.events.get(witness.session_id, {}).values()
        numbers = {event.sequence_number: event for event in stored}
        event = numbers.get(witness.sequence_number)
        at = event if position is None else database.log.at(position)
        lost = is_lost(
            witness,
            mark=None if event is None else mark_of(event.id),
            is_moved=at is not event,
            latest=database.latest(witness.session_id),
        )
        # Where nothing of the session is left, another may stand in its place.
        if lost or (event is None and at is not None):
            raise gone(database.log_throttle, witness, name)


class SessionReader(_Reader):
    """
    The end of one session's log; a place is a sequence number.
    """

    def __init__(self, access: DatabaseAccess, wanted: SessionFeedFilter) -> None:
        super().__init__(access, wanted.session_id)
        self._wanted = wanted

    async def read(self, place: int, limit: int) -> ReadResult[int]:
        """
        Read behind the number *place*.
        """
        database, session_id = self._begin(), self._wanted.session_id
        self._check(f"session {session_id!r}")
        stored = database.events.get(session_id, {}).values()
        # Read from the end: a follower has seen most of them already.
        new = takewhile(lambda event: event.sequence_number > place, reversed(stored))
        matches = [event for event in new if self._matches(event)][::-1]
        found = [
            (attrs.evolve(event), event.sequence_number) for event in matches[:limit]
        ]
        is_caught_up = len(matches) <= limit
        return ReadResult(
            found=found,
            place=max(place, database.latest(session_id))
            if is_caught_up
            else found[-1][1],
            is_caught_up=is_caught_up,
            is_over=is_caught_up and self._wanted.until_over and self._is_over(),
        )

    def _matches(self, event: Event) -> bool:
        session = self._access.database.sessions.get(event.session_id)
        if session is None:
            return not self._wanted.is_of_some_owner and self._wanted.matches(event)
        of_tenant = self._wanted.tenant_id in (None, session.tenant_id)
        of_user = self._wanted.user_id in (None, session.user_id)
        return of_tenant and of_user and self._wanted.matches(event)

    def _is_over(self) -> bool:
        database, session_id = self._access.database, self._wanted.session_id
        session = database.sessions.get(session_id)
        if session is None:
            return session_id in database.gates
        return session.status.is_over or session.deleted_at is not None


class FeedReader(_Reader):
    """
    The end of the feed of all sessions.
    """

    def __init__(self, access: DatabaseAccess, wanted: FeedFilter) -> None:
        super().__init__(access, None)
        self._wanted = wanted

    async def read(self, place: Place, limit: int) -> ReadResult[Place]:
        """
        Read behind the position in *place*.
        """
        database = self._begin()
        log = database.log
        if place[1] > log.latest:
            raise ahead(database.log_throttle)
        self._check("checkpoint", place[1])
        found: list[tuple[Event, Place]] = []
        for position, event in islice(log.behind(place[1]), _MAX_EVENTS_SCANNED):
            place = (0, position)
            if self._matches(event):
                found.append((attrs.evolve(event), place))
            if len(found) == limit:
                break
        is_caught_up = next(log.behind(place[1]), None) is None
        return ReadResult(found=found, place=place, is_caught_up=is_caught_up)

    def _matches(self, event: Event) -> bool:
        of_type = self._wanted.types is None or event.type in self._wanted.types
        session = self._access.database.sessions[event.session_id]
        of_agent = self._wanted.agent_id in (None, session.agent_id)
        of_tenant = self._wanted.tenant_id in (None, session.tenant_id)
        of_user = self._wanted.user_id in (None, session.user_id)
        return of_type and of_agent and of_tenant and of_user
