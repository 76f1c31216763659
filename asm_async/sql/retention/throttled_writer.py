"""
Transactions of maintenance: small ones, with room for others between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asm_async.sql.transactions.transaction import Transaction, Transactions

T = TypeVar("T")

MAX_ROWS_PER_TRANSACTION = 1_000
"""
About how many rows one transaction removes: it must not hold its locks for long.
"""

_MAX_PAUSE_SECONDS = 0.1


class ThrottledWriter:
    """
    Writes one transaction after the other, and leaves as much time to other writers.

    Args:
        transactions: Where to write.
    """

    def __init__(self, transactions: Transactions) -> None:
        self.transactions = transactions

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """
        Do *work*, which may be repeated, in a transaction, and pause after it.

        Writers of other processes can only try again and again while SQLite is locked:
        between transactions without a pause they would hardly ever find it free.
        """
        clock = asyncio.get_running_loop().time
        began = clock()

        async def timed(transaction: Transaction) -> T:
            nonlocal began
            # Time spent waiting for others was no burden on them.
            began = clock()
            return await work(transaction)

        result = await self.transactions.write(timed, is_repeatable=True)
        await asyncio.sleep(min(clock() - began, _MAX_PAUSE_SECONDS))
        return result
