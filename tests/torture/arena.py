"""
Where calls are struck at one of their points, and judged by what they leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from itertools import count, product
from pathlib import Path
from typing import Any

import attrs

from asm_async.encryption import KeyStore
from asm_async.errors import ASMError, StorageError
from asm_async.testing.faults import (
    FaultPoints,
    Moment,
    cancel_at,
    count_awaits,
    cut,
    time_out_at,
)
from asm_async.testing.faults.engines import watched_engine
from tests.fault.acts import refusing
from tests.torture.ended_loops import call_in_ending_loop
from tests.torture.port_calls import CALLS, PortCall, Subject
from tests.torture.world import World, open_world

__all__ = ["Arena", "Blow", "Way", "open_arena"]

_MAX_SECONDS = 60


class Way(StrEnum):
    """
    What befalls a call.
    """

    CANCELLED = "cancelled"
    """
    Its task is cancelled, at an await.
    """

    TIMED_OUT = "timed out"
    """
    The ``asyncio.timeout`` around it ends, at an await.
    """

    REFUSED = "refused"
    """
    The database refuses what it is asked in an exchange.
    """

    CUT = "cut"
    """
    The connection breaks in an exchange.
    """

    INTERRUPTED = "interrupted"
    """
    ``KeyboardInterrupt`` is raised in the event loop, at an await, and ends it.
    """

    STOPPED = "stopped"
    """
    The event loop is stopped, at an await, and closed.
    """


@attrs.frozen(kw_only=True)
class Blow:
    """
    What befalls which call, and when.
    """

    call: str
    way: Way
    number: int
    """
    At which of its awaits or exchanges, from 1.
    """

    moment: Moment
    is_connecting: bool
    """
    Whether it has no connection yet.
    """


@attrs.frozen(kw_only=True)
class Length:
    """
    How many awaits and exchanges an undisturbed call has.
    """

    awaits: int
    exchanges: int


@attrs.frozen(kw_only=True)
class Record:
    """
    What an undisturbed call is like.
    """

    before: str
    after: str
    lengths: Mapping[bool, Length]
    """
    By whether it has to connect.
    """


class Arena:
    """
    Where calls are struck and judged.

    Args:
        world: Whose ports are called.

        points: The fault points of its connections, if it has any.
    """

    def __init__(self, world: World, points: FaultPoints | None) -> None:
        self._world = world
        self._points = points
        self._names = map("x{:06}".format, count())
        self._records: dict[str, Record] = {}
        self.acknowledged: int = 0
        """
        How many calls were told that they are done.
        """
        self.refused: int = 0
        """
        How many calls were told that nothing was done.
        """
        self.unknown: int = 0
        """
        How many calls were told nothing.
        """

    async def blows(self, names: list[str]) -> list[Blow]:
        """
        Make each call undisturbed, and give all that could befall it.
        """
        found: list[Blow] = []
        for name in names:
            record = self._records[name] = await self._observe(CALLS[name])
            for is_connecting, length in record.lengths.items():
                found += (
                    Blow(
                        call=name,
                        way=way,
                        number=number,
                        moment=moment,
                        is_connecting=is_connecting,
                    )
                    for way, number, moment in self._ways(length)
                )
        return found

    def _ways(self, length: Length) -> Iterator[tuple[Way, int, Moment]]:
        asked, answered = Moment.AFTER_SEND, Moment.BEFORE_ANSWER
        awaits = range(1, length.awaits + 1)
        exchanges = range(1, length.exchanges + 1)
        yield from product([Way.CANCELLED], awaits, [asked, answered])
        yield from product([Way.TIMED_OUT], awaits, [asked])
        yield from product([Way.REFUSED], exchanges, [Moment.BEFORE_SEND])
        if self._world.can_be_cut:
            yield from product([Way.CUT], exchanges, Moment)
        if self._world.is_shared:
            yield from product([Way.INTERRUPTED, Way.STOPPED], awaits, [asked])

    async def _observe(self, case: PortCall) -> Record:
        lengths: dict[bool, Length] = {}
        before = after = ""
        for is_connecting in (True, False) if self._world.is_shared else (False,):
            async with self._subject(case, is_connecting=is_connecting) as subject:
                before = await subject.state(self._world.others)
                exchanges = self._exchanges
                awaits = await count_awaits(case.call(self._world.ports, subject))
                exchanges = self._exchanges - exchanges
                lengths[is_connecting] = Length(awaits=awaits, exchanges=exchanges)
                await self._world.check_nothing_is_left()
                after = await subject.state(self._world.others)
        return Record(before=before, after=after, lengths=lengths)

    @property
    def _exchanges(self) -> int:
        return 0 if self._points is None else self._points.count

    @asynccontextmanager
    async def _subject(
        self, case: PortCall, *, is_connecting: bool
    ) -> AsyncGenerator[Subject]:
        subject, others = Subject(next(self._names)), self._world.others
        await subject.prepare(others)
        await case.prepare(others, subject)
        if is_connecting:
            await self._world.connect_anew()
        yield subject
        await subject.remove(others)

    async def strike(self, blow: Blow) -> None:
        """
        Make a call that is struck, and assert that it has kept every promise.
        """
        case, world = CALLS[blow.call], self._world
        async with self._subject(case, is_connecting=blow.is_connecting) as subject:
            try:
                async with asyncio.timeout(_MAX_SECONDS):
                    error = await self._struck(blow, case, subject)
                    await world.check_nothing_is_left()
                    if blow.way in {Way.CANCELLED, Way.TIMED_OUT}:
                        await subject.check_lease(world.others)
                    await self._judge(blow, subject, error)
                    await world.check_others_can_write(subject.id("ses"))
                    await subject.state(world.others)
            except BaseException as violation:
                violation.add_note(f"{blow}")
                raise

    async def _struck(
        self, blow: Blow, case: PortCall, subject: Subject
    ) -> BaseException | None:
        """
        Make the call, and give what it raised.
        """
        call = case.call(self._world.ports, subject)
        match blow.way:
            case Way.CANCELLED:
                outcome = await cancel_at(blow.number, call, blow.moment)
                return asyncio.CancelledError() if outcome.was_interrupted else None
            case Way.TIMED_OUT:
                outcome = await time_out_at(blow.number, call, blow.moment)
                return TimeoutError() if outcome.was_interrupted else None
            case Way.INTERRUPTED | Way.STOPPED:
                call.close()
                return await self._with_its_loop(blow, subject)
            case Way.REFUSED | Way.CUT:
                return await self._in_exchange(blow, call)

    async def _with_its_loop(
        self, blow: Blow, subject: Subject
    ) -> BaseException | None:
        is_done = await call_in_ending_loop(
            self._world,
            lambda ports: CALLS[blow.call].call(ports, subject),
            blow.number,
            raises=blow.way is Way.INTERRUPTED,
        )
        return None if is_done else asyncio.CancelledError()

    async def _in_exchange(
        self, blow: Blow, call: Coroutine[Any, Any, Any]
    ) -> BaseException | None:
        assert self._points is not None
        assert self._world.engine is not None
        act = cut if blow.way is Way.CUT else refusing(self._world.engine)
        fault = self._points.arm(act, moment=blow.moment, skip=blow.number - 1)
        try:
            await call
        except ASMError as error:
            error.add_note(f"at {fault.struck}")
            return error
        finally:
            self._points.disarm()
        return None

    async def _judge(
        self, blow: Blow, subject: Subject, error: BaseException | None
    ) -> None:
        """
        Assert that what is stored agrees with what the caller was told.
        """
        case, record, world = CALLS[blow.call], self._records[blow.call], self._world
        found = await subject.state(world.others)
        allowed = {record.before, record.after}
        if error is None:
            self.acknowledged += 1
            allowed = {record.after}
        elif isinstance(error, ASMError) and not _is_unknown(error):
            self.refused += 1
            allowed = {record.before}
        else:
            self.unknown += 1
        assert found in allowed or not (case.is_atomic or error is None), (
            f"{error!r}, but stored is {found}"
        )
        if found != record.after:
            await case.call(world.ports, subject)
            found = await subject.state(world.others)
            assert found == record.after, f"repeated, it left {found}"


def _is_unknown(error: ASMError) -> bool:
    return isinstance(error, StorageError) and error.outcome_unknown


@asynccontextmanager
async def open_arena(
    url: str | None, directory: Path, *, key_store: KeyStore | None = None
) -> AsyncGenerator[Arena]:
    """
    Open an arena on a database, or in memory; with a key store, of ports that encrypt.
    """
    async with open_world(url, directory, key_store=key_store) as world:
        if world.engine is None:
            yield Arena(world, None)
        else:
            with watched_engine(world.engine) as points:
                yield Arena(world, points)
