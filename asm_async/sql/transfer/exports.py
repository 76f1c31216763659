"""
How sessions are exported, each as of one moment.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.reads.history import read_history
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.transfer.withdrawal import withdrawal_check
from asm_async.transfer.export_stream import encode_history
from asm_async.transfer.spool import Chunk, Spool


async def export_lines(
    transactions: Transactions, session_id: str, *, include_deleted: bool
) -> AsyncGenerator[Chunk]:
    """
    Yield a session's lines as of one moment; none if it is not to be exported.

    They are spooled before the first is yielded: a transaction that waited for the
    reader would hold a connection, keep SQLite's log from being checkpointed and
    PostgreSQL's dead rows from being vacuumed.
    """
    check_withdrawal = withdrawal_check()

    async def read(conn: AsyncConnection) -> None:
        spool.clear()
        batches = read_history(conn, session_id, check_withdrawal)
        async with (
            aclosing(batches),
            aclosing(encode_history(batches, include_deleted=include_deleted)) as lines,
        ):
            async for chunk in lines:
                await spool.put(chunk)

    with Spool() as spool:
        await transactions.read_snapshot(read)
        async with aclosing(spool.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
