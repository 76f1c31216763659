"""
How a group is written: at once if that goes, else carefully.
"""

from __future__ import annotations

from collections.abc import Sequence

from asm_async.sql.careful_path import Outcome, perform
from asm_async.sql.driver_connections import driver_connection
from asm_async.sql.engine import shared_state
from asm_async.sql.error_translation import translated_errors
from asm_async.sql.fast_path import Written, append_at_once
from asm_async.sql.group_commit import Begin
from asm_async.sql.news import spread
from asm_async.sql.operations import Operation
from asm_async.sql.transactions import Transaction, Transactions

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
        self, begin: Begin, deadline: float, patience: float
    ) -> list[Outcome]:
        """
        Perform a group once, and wake whoever waits for events of its sessions.

        Args:
            begin: Called when there is a connection; gives the operations.

            deadline: Until when to wait for that, on the loop's clock.

            patience: How long, in seconds, to wait for locks.

        Returns:
            The outcomes, in the order of the operations.

        Raises:
            StorageError: If the transaction failed.
        """
        transactions = self._transactions
        with translated_errors():
            async with transactions.writer_turn(deadline):
                operations, written = await self._at_once(begin, deadline, patience)
                if written is None:
                    written = await self._carefully(operations, deadline, patience)
        spread(shared_state(transactions.engine).wake_ups, operations, written)
        return written.outcomes

    async def _at_once(
        self, begin: Begin, deadline: float, patience: float
    ) -> tuple[Sequence[Operation], Written | None]:
        engine, dialect = self._transactions.engine, self._transactions.dialect
        async with driver_connection(engine, dialect, deadline) as driver:
            operations = begin()
            return operations, await append_at_once(
                driver, dialect, operations, patience
            )

    async def _carefully(
        self, operations: Sequence[Operation], deadline: float, patience: float
    ) -> Written:
        async def work(transaction: Transaction) -> list[Outcome]:
            return await perform(transaction, operations)

        async with self._transactions.connection(deadline) as conn:
            outcomes = await self._transactions.transaction(conn, work, patience)
        return Written(outcomes=outcomes)
