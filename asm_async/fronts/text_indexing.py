"""
How an index of texts is kept up to date: by a durable consumer of the feed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from time import perf_counter

import attrs

from asm_async.conventions.texts import EventTexts, speaker_of
from asm_async.errors import (
    LeaseLostError,
    StorageError,
    StoreClosedError,
)
from asm_async.fronts.loop_share import LoopShare
from asm_async.fronts.text_filters import IndexedEvent
from asm_async.fronts.text_snippets import joined_texts
from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.values.checkpoint import START, Place, checkpoint_of
from asm_async.values.event import Event
from asm_async.values.event_feed import ConsumerState
from asm_async.values.search_terms import terms_of
from asm_async.values.text_match import IndexLag

_LOG = logging.getLogger(__name__)

CONSUMER_NAME = "asm.text_index"
"""
The name of the consumer that an index of texts is fed by.
"""

_BATCH_SIZE = 1_000

# How soon another updater can go on where one was killed.
_LEASE_SECONDS = 10.0

# Who follows waits for others to commit, so that one transaction of the index serves
# many of theirs. But while it writes, others wait: on SQLite for 10 milliseconds with
# 250 events, with 1,000 for five times as long.
_GATHER_SECONDS = 0.25
_FOLLOWING_BATCH_SIZE = 250

# And it leaves the database to them for most of the time: where they write without a
# pause, it falls behind rather than take more than a fortieth from them.
_RESTS_PER_WRITE = 40
_MAX_REST_SECONDS = 2.0

# It must not fall behind for good, though: what it has not reached after so long, it
# hurries to, and takes half of the time.
_HURRY_AFTER_SECONDS = 30.0
_HURRIED_RESTS_PER_WRITE = 1

# How often it is looked whether another updater has done the work, or titles changed.
_LOOK_SECONDS = 0.25
_TITLE_SECONDS = 1.0

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 10.0


@attrs.frozen(kw_only=True)
class TextIndexer:
    """
    Reads the feed and has it written to an index.
    """

    feed: EventFeed
    """
    The feed, which is the index's own.
    """

    kind: str
    """
    The kind of database that the feed's checkpoints are good for.
    """

    texts: EventTexts
    """
    What is to be found of an event.
    """

    write: Callable[[EventBatch, Sequence[IndexedEvent]], Awaitable[float]]
    """
    Indexes the events of a batch and acknowledges it, both or neither.

    Returns how long, in seconds, others could not write meanwhile.
    """

    write_titles: Callable[[], Awaitable[None]]
    """
    Indexes the titles of sessions that were saved since it did so last.
    """

    async def update(self, progress: Callable[[IndexLag], object] | None) -> int:
        """
        Index what is stored now, and return how many events were read for it.
        """
        target = self._place(await self.feed.get_latest_checkpoint())
        count = 0
        lag: IndexLag | None = None
        if progress is not None:
            # To count what is left takes as long as that is much: it is done once.
            progress(lag := await self.lag())
        while not await self._has_reached(target):
            try:
                async with aclosing(self._batches()) as batches:
                    while batch := await self._next(batches, target):
                        await self.write(batch, await self._made(batch))
                        count += len(batch.events)
                        if progress is not None and lag is not None:
                            progress(_behind(lag, count))
                        if self._place(batch.checkpoint) >= target:
                            break
            except LeaseLostError:
                # Another updater has gone on from there.
                continue
        await self.write_titles()
        return count

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        """
        Keep the index up to date for as long as the block lasts.
        """
        failures: list[Exception] = []
        task = asyncio.create_task(self._follow(failures), name="asm_async text index")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            error = None if task.cancelled() else task.exception()
        # Where it was cancelled while it ended with an error, it has that one no more.
        if error := error or next(iter(failures), None):
            raise error

    async def lag(self) -> IndexLag:
        """
        Return how far the index is behind.
        """
        state = await self._state()
        feed_lag = await self.feed.feed_lag(
            checkpoint=None if state is None else state.checkpoint
        )
        return IndexLag(
            pending_events=feed_lag.pending_events,
            held_events=feed_lag.held_events,
            updated_at=None if state is None else state.updated_at,
            holder=None if state is None else state.holder,
        )

    def _consumer(self) -> EventConsumer:
        return self.feed.consumer(CONSUMER_NAME, lease_seconds=_LEASE_SECONDS)

    def _batches(
        self, max_size: int = _BATCH_SIZE, max_wait: float = 0.0
    ) -> AsyncGenerator[EventBatch]:
        return self._consumer().batches(max_size=max_size, max_wait=max_wait)

    async def _next(
        self, batches: AsyncGenerator[EventBatch], target: Place
    ) -> EventBatch | None:
        """
        Return the next batch; None if another updater came to the target meanwhile.
        """
        step = asyncio.ensure_future(anext(batches))
        try:
            while not step.done():
                await asyncio.wait({step}, timeout=_LOOK_SECONDS)
                if not step.done() and await self._has_reached(target):
                    return None
            return step.result()
        finally:
            await _end(step)

    async def _follow(self, failures: list[Exception]) -> None:
        pause, pace = _FIRST_PAUSE_SECONDS, _Pace()
        while True:
            try:
                await self.write_titles()
                async with (
                    aclosing(
                        self._batches(_FOLLOWING_BATCH_SIZE, _GATHER_SECONDS)
                    ) as batches,
                    aclosing(self._with_titles(batches)) as with_titles,
                ):
                    async for batch in with_titles:
                        try:
                            indexed = await self._made(batch)
                        except Exception as error:
                            failures.append(error)
                            raise
                        wrote = await self.write(batch, indexed)
                        pause = _FIRST_PAUSE_SECONDS
                        await self._rest(wrote, self._place(batch.checkpoint), pace)
            except LeaseLostError:
                continue
            except StoreClosedError:
                return
            except StorageError as error:
                _LOG.warning("the text index is not updated: %s", error.code)
            except Exception as error:
                # Its text may be of an event.
                _LOG.error(
                    "the text index is not updated any more: %s", type(error).__name__
                )
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    async def _rest(self, wrote: float, reached: Place, pace: _Pace) -> None:
        """
        Leave the database to others, in proportion to how long it was kept from them.
        """
        now = perf_counter()
        if now >= pace.due and reached >= pace.target:
            pace.target = self._place(await self.feed.get_latest_checkpoint())
            pace.due = now + _HURRY_AFTER_SECONDS
        is_late = now >= pace.due
        rests = _HURRIED_RESTS_PER_WRITE if is_late else _RESTS_PER_WRITE
        await asyncio.sleep(min(rests * wrote, _MAX_REST_SECONDS))

    async def _with_titles(
        self, batches: AsyncGenerator[EventBatch]
    ) -> AsyncGenerator[EventBatch]:
        """
        Yield the batches, and index titles about once a second, also while waiting.
        """
        looked_at = perf_counter()
        while True:
            step = asyncio.ensure_future(anext(batches))
            try:
                while not step.done():
                    await asyncio.wait({step}, timeout=_TITLE_SECONDS)
                    if perf_counter() - looked_at >= _TITLE_SECONDS:
                        await self.write_titles()
                        looked_at = perf_counter()
                batch = step.result()
            finally:
                await _end(step)
            yield batch

    async def _made(self, batch: EventBatch) -> Sequence[IndexedEvent]:
        share = LoopShare()
        indexed: list[IndexedEvent] = []
        for event in batch.events:
            indexed.append(self._indexed(event))
            if perf_counter() >= share.ends_at:
                await share.rest()
        return indexed

    def _indexed(self, event: Event) -> IndexedEvent:
        try:
            text = joined_texts(self.texts(event))
        except Exception as error:
            error.add_note(f"event {event.id!r} of session {event.session_id!r}")
            raise
        return IndexedEvent(event=event, role=speaker_of(event), terms=terms_of(text))

    async def _has_reached(self, target: Place) -> bool:
        state = await self._state()
        checkpoint = None if state is None else state.checkpoint
        if checkpoint is not None and self._place(checkpoint) >= target:
            return True
        # What was removed since is not waited for.
        lag = await self.feed.feed_lag(checkpoint=checkpoint)
        return lag.pending_events <= lag.held_events

    async def _state(self) -> ConsumerState | None:
        consumers = await self.feed.list_consumers()
        return next((each for each in consumers if each.name == CONSUMER_NAME), None)

    def _place(self, checkpoint: str | None) -> Place:
        if checkpoint is None:
            return START
        return checkpoint_of(checkpoint, "checkpoint", self.kind).place


@attrs.define
class _Pace:
    """
    How far a follower wants to come, and when it has to be there.
    """

    target: Place = START
    due: float = 0.0


def _behind(lag: IndexLag, count: int) -> IndexLag:
    """
    Return the lag when so many more events were indexed.
    """
    pending = max(lag.pending_events - count, lag.held_events)
    return attrs.evolve(lag, pending_events=pending)


async def _end(step: asyncio.Future[EventBatch]) -> None:
    """
    End a step that may be under way; a batch that it may have is delivered again.
    """
    if not step.done():
        step.cancel()
        await asyncio.wait({step})
        if not step.cancelled():
            step.exception()
