"""
A consumer's row: whose lease it is, and how far the consumer has acknowledged.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import ConflictError, StorageBusyError, StorageError
from asm_async.fronts.event_consumer import (
    ConsumerOptions,
    Holding,
    LeasedBatch,
    is_lease_over,
    lease_lost,
)
from asm_async.sql.core.column_types import microseconds
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.tables import consumers
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.transactions.call import Call
from asm_async.sql.transactions.transaction import Transaction, prolong
from asm_async.values.checkpoint import (
    START,
    Checkpoint,
    checkpoint_of,
    checkpoint_text,
)

_LOG = logging.getLogger(__name__)

_MAX_PAUSE_SECONDS = 0.5


class ConsumerLeases:
    """
    One consumer's lease and checkpoint, by the database's clock.

    No call waits in the database for a row that is locked: a handler's own transaction
    may hold it for as long as it lasts.
    """

    def __init__(
        self, context: FeedContext, options: ConsumerOptions, begin: Checkpoint
    ) -> None:
        self._context = context
        self._transactions = context.transactions
        self._lifecycle = context.lifecycle
        self._feed = context.feed
        self._options = options
        self._begin = begin
        self._is_it = consumers.c.name == options.name

    async def take(self, holder: str) -> Holding | None:
        async def look(conn: AsyncConnection) -> bool:
            row = (await conn.execute(self._row())).first()
            return row is None or row.holder == holder or _is_free(row)

        async def take(transaction: Transaction) -> Holding | None:
            conn = transaction.conn
            await self._insert(conn)
            row = await self._locked_row(conn)
            if row is None or not (row.holder == holder or _is_free(row)):
                return None
            token = row.fencing_token + 1
            taking = self._renewal().values(
                fencing_token=token, holder=holder, leased_until=self._end_of_term()
            )
            await conn.execute(taking)
            return self._holding(token, row.checkpoint)

        async with self._lifecycle:
            # Looked at before it is written: those who wait for a lease must not keep
            # writers waiting.
            if not await self._transactions.read(look):
                return None
            # Noted before it is taken: a call that is cancelled may have taken it.
            self._context.pending_lease_releases[holder] = partial(
                self._give_up, holder
            )
            return await self._transactions.write(take, is_repeatable=True)

    async def wait_for_lease(self) -> None:
        """
        Pause: nothing tells when a lease ends.
        """
        pause = self._options.lease_seconds / 4
        await asyncio.sleep(min(pause, _MAX_PAUSE_SECONDS))

    async def renew(self, fencing_token: int) -> Holding | None:
        async def renew(transaction: Transaction) -> Holding | None:
            conn = transaction.conn
            row = await self._row_in_hand(conn)
            if row is None:
                return None
            if row.fencing_token == fencing_token:
                await conn.execute(self._renewal())
            return self._holding(row.fencing_token, row.checkpoint)

        async with self._lifecycle:
            return await self._transactions.write(renew, is_repeatable=True)

    async def release(self, holder: str) -> None:
        # A feed that was closed has done so already.
        if holder in self._context.pending_lease_releases:
            try:
                await self._give_up(holder)
            finally:
                self._context.pending_lease_releases.pop(holder, None)

    async def _give_up(self, holder: str) -> None:
        release = (
            sa.update(consumers)
            .where(self._is_it, consumers.c.holder == holder)
            .values(holder=None, leased_until=None, updated_at=self._feed.now())
        )

        async def work(transaction: Transaction) -> None:
            conn = transaction.conn
            row = (await conn.execute(self._row())).first()
            # Another consumer that looks at the lease holds the row for a moment.
            if row is not None and row.holder == holder:
                await self._row_in_hand(conn)
                await conn.execute(release)

        try:
            await self._context.release_transactions.write(work, is_repeatable=True)
        except StorageError as error:
            _LOG.warning(
                "consumer %r has not given up its lease, which ends by itself: %s",
                self._options.name,
                error,
            )

    async def acknowledge(
        self, holding: Holding, end: Checkpoint, conn: AsyncConnection | None = None
    ) -> None:
        """
        Move the checkpoint, in the transaction that is open on *conn* if one is given.

        Raises:
            LeaseLostError: If the lease is not of the holding's token any more.

            ConflictError: If the checkpoint stands before the end all the same.
        """

        async def work(transaction: Transaction) -> None:
            await self._move(transaction.conn, holding, end)

        if conn is None:
            async with self._lifecycle:
                await self._transactions.write(work, is_repeatable=True)
        else:
            with translated_errors():
                await self._move(conn, holding, end)

    async def _move(
        self, conn: AsyncConnection, holding: Holding, end: Checkpoint
    ) -> None:
        begin = Checkpoint(holding.place, holding.witness)
        moved = await conn.execute(
            self._renewal()
            .where(
                consumers.c.fencing_token == holding.fencing_token,
                consumers.c.checkpoint.is_not_distinct_from(self._text(begin)),
            )
            .values(checkpoint=self._text(end))
        )
        if moved.rowcount:
            return
        row = (await conn.execute(self._row())).first()
        if row is None or row.fencing_token != holding.fencing_token:
            raise lease_lost(self._options.name)
        if self._read(row.checkpoint).place < end.place:
            raise ConflictError(
                f"the checkpoint of consumer {self._options.name!r} was moved since the"
                " batch was read"
            )

    @asynccontextmanager
    async def handling(
        self, holding: Holding, end: Checkpoint
    ) -> AsyncGenerator[AsyncConnection]:
        """
        Enclose what a handler writes, then move the checkpoint and commit both.

        Raises:
            StorageError: If no transaction could be begun before the timeout, or it
                could not be committed.

            LeaseLostError: As for :meth:`acknowledge`.
        """
        transactions = self._transactions
        async with self._lifecycle, AsyncExitStack() as stack:
            call = transactions.new_call()
            await stack.enter_async_context(transactions.write_lock(call.deadline))
            conn = await self._begin_handling(stack, call)
            # What the handler raises is its own, and so is the time that it takes.
            prolong(conn, inf)
            yield conn
            prolong(conn)
            with translated_errors():
                await self._move(conn, holding, end)
            with translated_errors(committing=True):
                await transactions.dialect.commit(conn)

    async def _begin_handling(
        self, stack: AsyncExitStack, call: Call
    ) -> AsyncConnection:
        """
        Begin a transaction, again if another process is writing, until its deadline.
        """
        transactions, clock = self._transactions, asyncio.get_running_loop().time
        for failures in itertools.count(1):
            try:
                with translated_errors():
                    async with AsyncExitStack() as trying:
                        conn = await trying.enter_async_context(
                            transactions.connection(call)
                        )
                        await transactions.dialect.begin_write(conn)
                        stack.push_async_exit(trying.pop_all())
                        return conn
            except StorageError as error:
                pause = pause_after(failures)
                if not error.retryable or clock() + pause > call.deadline:
                    transactions.call_log.note_failure(error, call.deadline)
                    raise
                transactions.call_log.note_retry(error)
            await asyncio.sleep(pause)
        raise AssertionError  # there is no end to counting

    async def _insert(self, conn: AsyncConnection) -> None:
        """
        Insert the consumer, unless it is there.

        Its tokens ascend from the present time, so that those of a consumer that was
        deleted and made again are others than before.
        """
        is_there = sa.exists().where(self._is_it)
        new = {
            "name": sa.literal(self._options.name, consumers.c.name.type),
            "checkpoint": sa.literal(
                self._text(self._begin), consumers.c.checkpoint.type
            ),
            "fencing_token": sa.literal(
                microseconds(datetime.now(UTC)), consumers.c.fencing_token.type
            ),
            "updated_at": self._feed.now(),
        }
        await conn.execute(
            sa.insert(consumers).from_select(
                list(new), sa.select(*new.values()).where(~is_there)
            )
        )

    def _row(self) -> sa.Select[*tuple[Any, ...]]:
        return sa.select(
            consumers.c.fencing_token,
            consumers.c.checkpoint,
            consumers.c.holder,
            consumers.c.leased_until,
            consumers.c.updated_at,
            self._feed.now().label("now"),
        ).where(self._is_it)

    async def _locked_row(self, conn: AsyncConnection) -> sa.Row[Any] | None:
        """
        Read and hold the row; None if it is missing, or another transaction holds it.
        """
        query = self._row().with_for_update(skip_locked=True)
        found: sa.CursorResult[Any] = await conn.execute(query)
        return found.first()

    async def _row_in_hand(self, conn: AsyncConnection) -> sa.Row[Any] | None:
        """
        Read the row and hold it; None if it is not there.

        Raises:
            StorageBusyError: If another transaction holds it.
        """
        row = await self._locked_row(conn)
        if row is None and (await conn.execute(self._row())).first() is not None:
            raise StorageBusyError("another transaction has the consumer's row")
        return row

    def _renewal(self) -> sa.Update:
        # A lease that was given up is nobody's, and stays so.
        is_held = consumers.c.holder.is_not(None)
        until = sa.case((is_held, self._end_of_term()), else_=sa.null())
        return (
            sa.update(consumers)
            .where(self._is_it)
            .values(leased_until=until, updated_at=self._feed.now())
        )

    def _end_of_term(self) -> sa.ColumnElement[datetime]:
        return self._feed.now(self._options.lease_seconds)

    def _holding(self, fencing_token: int, checkpoint: str | None) -> Holding:
        place, witness = self._read(checkpoint)
        return Holding(fencing_token=fencing_token, place=place, witness=witness)

    def _read(self, checkpoint: str | None) -> Checkpoint:
        if checkpoint is None:
            return Checkpoint(START, None)
        return checkpoint_of(checkpoint, "checkpoint", self._transactions.dialect.name)

    def _text(self, checkpoint: Checkpoint) -> str | None:
        place, witness = checkpoint
        if place == START:
            return None
        return checkpoint_text(place, self._transactions.dialect.name, witness)


def _is_free(row: sa.Row[Any]) -> bool:
    return is_lease_over(row.leased_until, row.updated_at, row.now)


@attrs.frozen(kw_only=True, eq=False)
class SQLBatch(LeasedBatch):
    """
    A batch that can be acknowledged in a transaction of its handler.
    """

    _leases: ConsumerLeases = attrs.field(alias="leases", repr=False)

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """
        Enclose a transaction for what the handler writes to the same database.

        At the end of the block the batch is acknowledged in it and both are committed,
        so that each event takes effect exactly once. To begin is tried again, within
        the feed's timeout, where others are writing. On SQLite the block is the one
        that writes: keep it short, and call no store in it, which would wait for its
        end.

        What the block raises rolls back and is raised as it is; the batch is given
        again if the consumer goes on.

        Raises:
            LeaseLostError: If another has taken the lease since; nothing was written.

            StorageBusyError: If others wrote for longer than the timeout.

            StorageError: If the database failed. Where its ``outcome_unknown`` is true,
                both were committed or neither, and the next batch shows which.
        """
        return self._leases.handling(self._holding, self._end)

    async def acknowledge(self, conn: AsyncConnection | None = None) -> None:
        """
        Remember that these events are dealt with, and renew the lease.

        Args:
            conn:
                A connection to the same database, with the transaction open in which
                the handler has written what it made of the events. Then both are
                committed or neither, so that each event takes effect exactly once.
                What is raised here must roll that transaction back; it is yours to
                commit.

        Raises:
            LeaseLostError: If another has taken the lease since.
        """
        await self._leases.acknowledge(self._holding, self._end, conn)
