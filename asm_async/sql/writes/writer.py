"""
How a group is written: at once if that goes, else carefully.
"""

from __future__ import annotations

from collections.abc import Sequence

from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.sql.transactions.connections import driver_connection
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.sql.writes.fast_path import append_fast
from asm_async.sql.writes.group_commit import Begin
from asm_async.sql.writes.operations import Operation, Outcome, Written
from asm_async.sql.writes.publish import publish_commit
from asm_async.sql.writes.slow_path import perform

__all__ = ["Writer"]


class Writer:
    """
    Writes groups of operations, each in one transaction.

    Args:
        transactions: Whose engine to write on.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def write(
        self, begin: Begin, deadline: float, timeout: float
    ) -> list[Outcome]:
        """
        Perform a group once, and wake whoever waits for events of its sessions.

        Args:
            begin: Called when there is a connection; gives the operations.

            deadline: Until when to wait for that, on the loop's clock.

            timeout: How long, in seconds, to wait for locks.

        Returns:
            The outcomes, in the order of the operations.

        Raises:
            StorageError: If the transaction failed.
        """
        transactions = self._transactions
        with translated_errors():
            async with transactions.write_lock(deadline):
                operations, written = await self._append_fast(begin, deadline, timeout)
                if written is None:
                    written = await self._in_transaction(operations, deadline, timeout)
        publish_commit(shared_state(transactions.engine).hub, operations, written)
        return written.outcomes

    async def _append_fast(
        self, begin: Begin, deadline: float, timeout: float
    ) -> tuple[Sequence[Operation], Written | None]:
        engine, dialect = self._transactions.engine, self._transactions.dialect
        async with driver_connection(engine, dialect, deadline) as driver:
            operations = begin()
            return operations, await append_fast(driver, dialect, operations, timeout)

    async def _in_transaction(
        self, operations: Sequence[Operation], deadline: float, timeout: float
    ) -> Written:
        async def work(transaction: Transaction) -> list[Outcome]:
            return await perform(transaction, operations)

        async with self._transactions.connection(deadline) as conn:
            outcomes = await self._transactions.transaction(conn, work, timeout)
        return Written(outcomes=outcomes)
