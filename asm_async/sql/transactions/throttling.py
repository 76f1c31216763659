"""
Transactions one after another that leave as much time to other writers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asm_async.sql.transactions.transaction import Transaction, Transactions

T = TypeVar("T")

_MAX_PAUSE_SECONDS = 0.1


async def write_and_pause(
    transactions: Transactions, work: Callable[[Transaction], Awaitable[T]]
) -> T:
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

    result = await transactions.write(timed, is_repeatable=True)
    await asyncio.sleep(min(clock() - began, _MAX_PAUSE_SECONDS))
    return result
