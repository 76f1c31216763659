"""
Events on their way to a store, from callers that do not wait for each of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from types import TracebackType
from typing import Self

import attrs

from asm_async.errors import (
    ASMError,
    EventsNotWrittenError,
    QueueFullError,
    StorageError,
    StoreClosedError,
)
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.fronts.expectations import checked_tenant
from asm_async.ports.session_store import SessionStore
from asm_async.recording.event_queue import EventQueue, QueuedEvent, queued_event
from asm_async.recording.repeated_appends import RepeatedAppends
from asm_async.recording.repeated_commit import checked_store
from asm_async.values import fields
from asm_async.values.event import Event

_LOG = logging.getLogger(__name__)

_MAX_EVENTS_PER_BATCH = 500


@attrs.frozen(eq=False)
class _Waiting:
    """
    An append that waits for room.
    """

    queued: QueuedEvent
    turn: asyncio.Future[None]


class BackgroundWriter:
    """
    Appends events in the background, for streams that cannot wait for each append.

    A task writes what was appended, in batches: while one is on its way to the
    database, the next gathers. There is a task only while there is something to write.

    **Order.** Events are written in the order in which they were appended, one batch
    after the other: what is stored is at every moment a beginning of what was appended,
    also across sessions.

    **Failure.** What may pass (``retryable``, or an unknown outcome) is tried again
    with the same events, which is idempotent by their ids. What cannot be written stops
    the writer: nothing from that event on is written. Every later call raises
    ``EventsNotWrittenError``, which names all of them; :attr:`unwritten` has them. So
    independent streams have a writer each; stores let their writes share transactions.

    **Leaving.** ``async with`` waits in the end, like :meth:`aclose`, until everything
    is written, also after an error. Cancelled meanwhile, it goes on waiting for as long
    as *timeout*; then it begins no other write, and waits for the one in progress.

    It is used within one event loop. A process that is killed loses what is queued.

    Args:
        store: Where the events go; not closed with the writer.

        max_pending:
            How many events may be queued, those being written included; at least 1.

        max_pending_bytes:
            How much they may weigh: their JSON, and 1,024 bytes for each. A single
            event has always room.

        timeout:
            How long, in seconds, to try again what may pass, from its first failure on.
            Each try lasts as long as the store's own timeout.

        expected_tenant: Whose the sessions must be; None if that is not asked.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        max_pending: int = 10_000,
        max_pending_bytes: int = 64 * 2**20,
        timeout: float = 30.0,
        expected_tenant: str | None = None,
    ) -> None:
        self._queue = EventQueue(
            fields.positive_count(max_pending, "max_pending"),
            fields.positive_count(max_pending_bytes, "max_pending_bytes"),
        )
        self._timeout = fields.total_amount(timeout, "timeout")
        tenant = checked_tenant(expected_tenant)
        self._appends = RepeatedAppends(checked_store(store), self._timeout, tenant)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._appended = self._written = 0
        self._waiting: deque[_Waiting] = deque()
        # Those who wait until so many events are written, fewest first.
        self._flushes: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._cause: BaseException | None = None

    @property
    def unwritten(self) -> tuple[Event, ...]:
        """
        The events that were appended and are not known to be written, oldest first.

        After a failure, to append them elsewhere or later; twice does no harm.
        """
        return tuple([queued.event for queued in self._queue.entries])

    def append_nowait(self, event: Event) -> None:
        """
        Queue *event*, and return at once.

        Later changes of the event by the caller do not change what is stored.

        Args:
            event: Without a sequence number.

        Raises:
            ValidationError: If it is none that can be stored.

            QueueFullError: If there is no room, or others wait for some; it was not
                queued.

            EventsNotWrittenError: If an earlier event could not be written.

            StoreClosedError: If the writer was closed, or is called from elsewhere than
                its event loop.
        """
        queued = queued_event(event)
        self._check_usable()
        if not self._has_room(queued):
            raise QueueFullError(
                f"the queue is full, and event {queued.event.id!r} was not taken:"
                f" {len(self._queue.entries)} events with {self._queue.byte_count}"
                f" bytes wait to be written (at most {self._queue.max_events} with"
                f" {self._queue.max_bytes}); await append, or write less"
            )
        self._put(queued)

    async def append(self, event: Event) -> None:
        """
        Queue *event*, as soon as there is room.

        Those who wait get room in the order in which they came. Cancelled while it
        waits, the call is withdrawn.

        Args:
            event: Without a sequence number.

        Raises:
            ValidationError: If it is none that can be stored.

            EventsNotWrittenError: If an earlier event could not be written.

            StoreClosedError: If the writer was closed, perhaps while this waited.
        """
        queued = queued_event(event)
        loop = self._check_usable()
        if self._has_room(queued):
            self._put(queued)
            return
        waiting = _Waiting(queued, loop.create_future())
        self._waiting.append(waiting)
        try:
            await waiting.turn
            self._check_usable()
            self._put(queued)
        finally:
            # Whether it came to its end or was cancelled: the next one shall look.
            self._waiting.remove(waiting)
            self._give_room()

    async def flush(self) -> None:
        """
        Wait until everything that was appended so far is written.

        Cancelled, it waits no longer; the events stay queued.

        Raises:
            EventsNotWrittenError: If some could not be written.

            StoreClosedError: If called from elsewhere than the writer's event loop.
        """
        loop = self._check_loop()
        self._check_failure()
        target = self._appended
        if self._written < target:
            flush = (target, loop.create_future())
            self._flushes.append(flush)
            try:
                await flush[1]
            finally:
                self._flushes.remove(flush)
            if self._written < target:
                self._check_failure()

    async def aclose(self) -> None:
        """
        Take nothing more, and wait until everything is written.

        Raises:
            EventsNotWrittenError: If some could not be written.

            StoreClosedError: If called from elsewhere than the writer's event loop.
        """
        loop = self._check_loop()
        self._is_closed = True
        self._give_room()
        idle = self._idle
        if idle is not None:
            try:
                await asyncio.wait({idle})
            except asyncio.CancelledError:
                await self._end(idle, loop)
                raise
        self._check_failure()

    async def _end(
        self, idle: asyncio.Future[None], loop: asyncio.AbstractEventLoop
    ) -> None:
        """
        Wait until everything is written, and at the end only for the write in progress.
        """
        await wait_uninterruptible(idle, loop.time() + self._timeout)
        if self._task is not None and not idle.done():
            # The store's call is cancelled, and waits for its outcome in turn.
            self._task.cancel()
            await wait_uninterruptible(idle, loop.time() + self._timeout)

    async def __aenter__(self) -> Self:
        self._check_usable()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.aclose()
        except EventsNotWrittenError as error:
            if exc is None:
                raise
            if exc.__cause__ is error.__cause__:
                # A call in the body has said so already.
                return
            if not isinstance(exc, Exception):
                # Such as a cancellation, which goes on.
                exc.add_note(str(error))
                return
            error.add_note(f"before that, the body of async with had raised {exc!r}")
            raise

    def _check_loop(self) -> asyncio.AbstractEventLoop:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise StoreClosedError(
                "the background writer was called outside of an event loop: call it"
                " through loop.call_soon_threadsafe"
            ) from None
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise StoreClosedError(
                "the background writer belongs to another event loop: make another one"
                " here"
            )
        return loop

    def _check_usable(self) -> asyncio.AbstractEventLoop:
        loop = self._check_loop()
        self._check_failure()
        if self._is_closed:
            raise StoreClosedError("the background writer was closed: make another one")
        return loop

    def _check_failure(self) -> None:
        if self._cause is None:
            return
        reason = str(self._cause) or type(self._cause).__name__
        if isinstance(self._cause, StorageError):
            reason = self._cause.args[0]
        ids = tuple([queued.event.id for queued in self._queue.entries])
        raise EventsNotWrittenError(
            reason, self._appends.is_outcome_unknown, ids
        ) from self._cause

    def _has_room(self, queued: QueuedEvent) -> bool:
        # Nobody overtakes those who wait.
        return not self._waiting and self._queue.has_room(queued)

    def _give_room(self) -> None:
        """
        Wake who waits first, if there is room or nothing to wait for any more.

        That one gives room to the next, so that they come in their order.
        """
        if not self._waiting:
            return
        first = self._waiting[0]
        is_over = self._is_closed or self._cause is not None
        if not first.turn.done() and (is_over or self._queue.has_room(first.queued)):
            first.turn.set_result(None)

    def _put(self, queued: QueuedEvent) -> None:
        self._queue.put(queued)
        self._appended += 1
        if self._task is None:
            self._start()

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._idle is None:
            self._idle = loop.create_future()
        self._task = loop.create_task(self._write_all())
        # Everything that ends it is acted on there: a task that is cancelled before it
        # has begun never gets to do so itself.
        self._task.add_done_callback(self._when_ended)

    def _when_ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            # By one who was cancelled while leaving, or with all tasks of the loop.
            self._appends.is_outcome_unknown = True
            self._fail(StoreClosedError("the writing was cancelled before it finished"))
        elif (error := task.exception()) is not None:
            self._fail(error)
        elif self._queue.entries:
            # Appended between its last look and now.
            self._start()
            return
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.set_result(None)

    async def _write_all(self) -> None:
        max_events = _MAX_EVENTS_PER_BATCH
        while batch := list(self._queue.oldest(max_events)):
            try:
                await self._appends.write(batch)
            except ASMError as error:
                if isinstance(error, StorageError) or len(batch) == 1:
                    raise
                # It was refused whole for one of its events. What stands before that
                # one shall be written, and the error shall begin with it.
                max_events = len(batch) // 2
                continue
            self._settle(len(batch))

    def _settle(self, count: int) -> None:
        self._queue.remove(count)
        self._written += count
        for target, flush in self._flushes:
            if target <= self._written and not flush.done():
                flush.set_result(None)
        self._give_room()

    def _fail(self, cause: BaseException) -> None:
        self._cause = cause
        entries = self._queue.entries
        _LOG.error(
            "%d events were not written, from %r of session %r on: %s",
            len(entries),
            entries[0].event.id,
            entries[0].event.session_id,
            cause if isinstance(cause, StorageError) else type(cause).__name__,
        )
        for _, flush in self._flushes:
            if not flush.done():
                flush.set_result(None)
        self._give_room()
