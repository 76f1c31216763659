"""
Standbys that are read from: which of them, when, and after what.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Generator, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    StorageError,
    StorageUnavailableError,
    ValidationError,
)
from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.readers.positions import PrimaryHistory, ReadToken, token_of
from asm_async.sql.readers.standby import (
    ReaderState,
    Standby,
    ask,
    replication_of,
)
from asm_async.sql.runtime.shared_state import SharedTasks
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values import fields

_LOG = logging.getLogger(__name__)

_NOT_READ = "%s is not read from, and the primary answers instead: %s"

_WATCH = "watch over standbys"

_MAX_SECONDS_TO_ANSWER = 1.0
_MIN_PAUSE_SECONDS = 0.05


@attrs.define(eq=False)
class _Block:
    """
    Reads that are to see the same history or a later one, each after the other.
    """

    after: ReadToken | None
    max_wait: float
    standby: Standby | None = None
    needs_primary: bool = False


class Readers:
    """
    Hot standbys that answer what may be a little behind the primary.

    Each second they and the primary are asked how far they are. A standby is not read
    from while it does not answer, lags by more than *max_lag*, is no standby (any
    more), or follows another server; then the primary answers. Of the others, those
    that lag the least take turns.

    While the primary does not answer, a lag is counted up to when it was seen last:
    what can be read then, standbys go on answering.

    ``async with`` begins to ask them, and disconnects from them in the end.
    :func:`~asm_async.open_ports` makes one of its *readers*.

    Args:
        primary: The engine of the server that they follow; it stays the caller's.

        urls: Of the standbys. The primary's own may be among them, such as where all
            servers that take each other's place are named: it is not asked as a reader.

        timeout: How long, in seconds, a read may take, the primary's part included.

        max_lag: How far, in seconds, a standby may be behind.

        options: For the engines of the standbys.

    Raises:
        ValidationError: If *urls* are none, or *max_lag* is no number of seconds.

        UnsupportedOperationError: If one is of a database that has no standbys.
    """

    def __init__(
        self,
        primary: AsyncEngine,
        urls: Sequence[str | sa.URL],
        *,
        timeout: float = 30.0,
        max_lag: float = 10.0,
        **options: Any,
    ) -> None:
        given: object = urls
        # SQLAlchemy's URL is a tuple.
        if isinstance(given, sa.URL) or not fields.is_list(given):
            raise fields.unexpected("readers", "a list of database URLs", urls)
        seconds = check_timeout(timeout)
        self._max_lag = check_timeout(max_lag, "max_lag")
        # Found out twice within half of the timeout, which leaves the primary the rest.
        self._interval = min(_MAX_SECONDS_TO_ANSWER, seconds / 4, self._max_lag / 4)
        self._primary = Transactions(primary, seconds)
        self._replication = replication_of(self._primary)
        self._standbys = [
            Standby(url, number, seconds, options)
            for number, url in enumerate(urls, start=1)
        ]
        if not self._standbys:
            raise ValidationError("readers: expected at least one URL")
        # Processes that are alike begin with different ones.
        self._turns = itertools.count(secrets.randbelow(len(self._standbys)))
        self._history = PrimaryHistory(self._max_lag + 2 * self._interval)
        self._system: int | None = None
        self._look_soon = asyncio.Event()
        self._log_throttle = LogThrottle()
        self._tasks = SharedTasks()
        # One for each of these, so that what is read of two databases is apart.
        self._block: ContextVar[_Block | None] = ContextVar("block", default=None)

    @property
    def states(self) -> list[ReaderState]:
        """
        The state of each standby, in the order of their URLs.
        """
        return [standby.state for standby in self._standbys]

    async def __aenter__(self) -> Self:
        for standby in self._standbys:
            standby.open()
        await self._look_at_primary()
        await self.look()
        names = ", ".join(standby.name for standby in self._standbys)
        _LOG.info("what may lag is read from %s", names)
        self._tasks.join(_WATCH, self._watch)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._tasks.leave(_WATCH)
        for standby in self._standbys:
            standby.set_aside("its connections were closed", is_silent=False)
            await standby.aclose()
        await self._primary.aclose()

    async def token(self) -> str:
        """
        Return a token for all that was acknowledged before this call.

        Who hands it to :meth:`reading` reads that, and may be another process. It is
        plain ASCII of less than 40 characters.

        Raises:
            StorageUnavailableError: If the primary cannot be asked.
        """
        rows = await self._primary.fetch(self._replication.place, {})
        place = self._replication.place_of(rows[0])
        if place.is_standby:
            self._primary.connections.forget_idle()
            raise StorageUnavailableError(
                "there is no token: the server takes no writes, since it is a standby"
            )
        return str(ReadToken(place.system, place.position))

    @contextmanager
    def reading(
        self, *, after: str | None = None, max_wait: float = 1.0
    ) -> Generator[None]:
        """
        Let standbys answer what is read inside the ``with`` block.

        This holds for what is read by the task that enters it and the tasks that it
        starts, through any ports over these readers: also for what a session store is
        asked for by ``get_session``, ``list_sessions``, ``get_run``, ``list_runs`` and
        ``get_events``, which outside of such a block only the primary answers.

        All reads of a block are answered by the same standby, so that none sees less
        than one before it; once one of them had to be answered by the primary, or the
        session store was written to, the primary answers the others, too.

        Args:
            after: What :meth:`token` has returned: it is waited for a standby that has
                all of that. A token of another database, such as of the one before a
                restore, is answered by the primary.

            max_wait: How long, in seconds, to wait for a standby that lags, before
                the primary answers; 0 is not at all.

        Raises:
            ValidationError: If *after* is no token, or *max_wait* no number of seconds.
        """
        token = None if after is None else token_of(after, "after")
        block = _Block(token, fields.total_amount(max_wait, "max_wait"))
        entered = self._block.set(block)
        try:
            yield
        finally:
            self._block.reset(entered)

    def reading_as_one(self) -> AbstractContextManager[None]:
        """
        Have several reads answered by the same standby, as in a block or in its block.
        """
        return self.reading() if self._block.get() is None else nullcontext()

    def stay_with_primary(self) -> None:
        """
        Have the primary answer what is read later in the block, if there is one.
        """
        if (block := self._block.get()) is not None:
            block.needs_primary = True

    async def choose(
        self, deadline: float, *, by_default: bool, before: Standby | None = None
    ) -> Standby | None:
        """
        Return from which standby to read now; None if that is the primary.

        Args:
            deadline: When, by the event loop's clock, the read has to end.

            by_default: Whether standbys are asked outside of a block, too.

            before: Which one to stay with outside of a block while it lags no more than
                the others.
        """
        block = self._block.get()
        if block is None:
            return self._next(before=before) if by_default else None
        if block.needs_primary:
            return None
        standby = block.standby or self._next(block.after)
        if standby is not None and standby.reason is None:
            if block.after is None:
                block.standby = standby
                return standby
            left = deadline - asyncio.get_running_loop().time()
            position, seconds = block.after.position, min(block.max_wait, left / 2)
            if self._is_ours(block.after) and await standby.reaches(position, seconds):
                block.standby = standby
                return standby
        block.needs_primary = True
        return None

    def note_failure(self, standby: Standby, error: StorageError) -> None:
        """
        Take note of a read that was tried there in vain.
        """
        standby.failed_reads += 1
        self.stay_with_primary()
        _LOG.debug("the primary is asked for what %s failed: %s", standby.name, error)
        if isinstance(error, StorageUnavailableError):
            # Until the next look, which may find that it was this connection alone.
            if standby.reason is None:
                standby.set_aside(f"a read failed: {error}", is_silent=False)
            self._look_soon.set()

    async def look(self) -> None:
        """
        Ask all of them once how far they are, and decide which are read from.
        """
        seconds = self._interval
        looks = [standby.look(seconds) for standby in self._standbys]
        silences = await asyncio.gather(*looks)
        # Asked after them, it has all that any of them has.
        is_known = await self._look_at_primary()
        for standby, silence in zip(self._standbys, silences, strict=True):
            reason = silence or self._reason_against(standby, is_known=is_known)
            if reason is None:
                standby.reason = None
            else:
                standby.set_aside(reason, is_silent=silence is not None)

    def _reason_against(self, standby: Standby, *, is_known: bool) -> str | None:
        place, standby.lag = standby.place, None
        if place is None or self._system is None:
            return "the primary, which it is to follow, did not answer yet"
        if not place.is_standby:
            return "it is no standby, or was promoted"
        if place.system != self._system:
            return "it follows another server than the primary"
        if is_known and self._history.is_ahead(place.position):
            return "it holds what the primary does not, such as after a failover"
        lag = self._history.lag_of(place.position)
        if lag > self._max_lag:
            return f"it lags by more than {self._max_lag:.3g} s"
        standby.lag = lag
        return None

    async def _look_at_primary(self) -> bool:
        """
        Ask the primary where it is; return whether it has said so.
        """
        try:
            async with asyncio.timeout(self._interval):
                place = await ask(self._primary, self._replication)
        except (TimeoutError, StorageError) as error:
            _LOG.debug("the primary did not say where it is: %r", error)
            return False
        if place.is_standby:
            return False
        self._system = place.system
        self._history.note(asyncio.get_running_loop().time(), place.position)
        return True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(_MIN_PAUSE_SECONDS, self._interval))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._look_soon.wait()
            self._look_soon.clear()
            await self.look()
            self._say()

    def _say(self) -> None:
        for standby in self._standbys:
            name, reason = standby.name, standby.reason
            if reason is None:
                self._log_throttle.end(_LOG, "%s is read from again", name, of=name)
            else:
                self._log_throttle.log(
                    _LOG, logging.WARNING, _NOT_READ, name, reason, key=name
                )

    def _next(
        self, after: ReadToken | None = None, before: Standby | None = None
    ) -> Standby | None:
        """
        Return whose turn it is; before others, one that has what is to be read.
        """
        lags = [each.lag for each in self._standbys if each.reason is None]
        if not lags:
            return None
        # Lags are known to within the time between two looks.
        most = min(lag or 0 for lag in lags) + self._interval
        fresh = [s for s in self._standbys if s.reason is None and (s.lag or 0) <= most]
        if before in fresh:
            return before
        turn = next(self._turns) % len(fresh)
        in_turn = fresh[turn:] + fresh[:turn]
        if after is None:
            return in_turn[0]
        return max(in_turn, key=lambda standby: standby.is_at(after.position))

    def _is_ours(self, token: ReadToken) -> bool:
        return self._system is not None and token.is_of(self._system)


def readers_of(
    primary: AsyncEngine, urls: Sequence[str | sa.URL], **options: Any
) -> Readers | None:
    """
    Return the standbys of these URLs, with the options of :class:`Readers`.
    """
    if not urls and fields.is_list(urls):
        return None
    return Readers(primary, urls, **options)
