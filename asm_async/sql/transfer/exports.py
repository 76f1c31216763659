"""
How sessions are exported, each as of one moment, and what belongs to none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.loop_share import in_pieces
from asm_async.sql.readers.routing import Reads
from asm_async.sql.reads.history import items_of, read_history, with_line
from asm_async.sql.transactions.transaction import prolong
from asm_async.sql.transfer.withdrawal import withdrawal_check
from asm_async.transfer.export_stream import (
    HistoryBatch,
    encode_history,
    encode_items,
)
from asm_async.transfer.spool import Chunk, Spool


async def export_lines(
    reads: Reads, session_id: str, *, include_deleted: bool
) -> AsyncGenerator[Chunk]:
    """
    Yield a session's lines as of one moment; none if it is not to be exported.
    """
    check_withdrawal = withdrawal_check()

    async def lines(conn: AsyncConnection) -> AsyncGenerator[Chunk]:
        batches = read_history(conn, session_id, check_withdrawal)
        async with (
            aclosing(batches),
            aclosing(encode_history(batches, include_deleted=include_deleted)) as made,
        ):
            async for chunk in made:
                yield chunk

    async with aclosing(_spooled(reads, lines)) as chunks:
        async for chunk in chunks:
            yield chunk


async def lines_of_items(reads: Reads) -> AsyncGenerator[Chunk]:
    """
    Yield the lines of the state items that belong to no session, as of one moment.
    """
    check_withdrawal = withdrawal_check()

    async def lines(conn: AsyncConnection) -> AsyncGenerator[Chunk]:
        async with (
            aclosing(_batches(conn, check_withdrawal)) as batches,
            aclosing(encode_items(batches)) as made,
        ):
            async for chunk in made:
                yield chunk

    async with aclosing(_spooled(reads, lines)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _batches(
    conn: AsyncConnection, check_withdrawal: Callable[[], None]
) -> AsyncGenerator[HistoryBatch]:
    async with aclosing(items_of(conn, None)) as batches:
        async for batch in batches:
            check_withdrawal()
            prolong(conn)
            yield await in_pieces(with_line, batch)


async def _spooled(
    reads: Reads,
    lines: Callable[[AsyncConnection], AsyncGenerator[Chunk]],
) -> AsyncGenerator[Chunk]:
    """
    Yield what *lines* reads in a snapshot of the database.

    It is spooled before the first is yielded: a transaction that waited for the reader
    would hold a connection, keep SQLite's log from being checkpointed and PostgreSQL's
    dead rows from being vacuumed.
    """

    async def read(conn: AsyncConnection) -> None:
        spool.clear()
        async with aclosing(lines(conn)) as chunks:
            async for chunk in chunks:
                await spool.put(chunk)

    with Spool() as spool:
        await reads.read_snapshot(read)
        async with aclosing(spool.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
