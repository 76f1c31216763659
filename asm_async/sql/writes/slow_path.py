"""
The way that is always right: a group of operations in one locked transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from asm_async.errors import ASMError
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.decide_append import append
from asm_async.sql.writes.decide_save import flush, save_run, save_session
from asm_async.sql.writes.operations import (
    AppendEvents,
    Flush,
    Operation,
    Outcome,
    SaveRun,
    SaveSession,
)
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.sql.writes.unit_of_work_rows import load_unit_of_work, store_unit_of_work

__all__ = ["perform"]


async def perform(
    transaction: Transaction, operations: Sequence[Operation]
) -> list[Outcome]:
    """
    Decide every operation, in order, and write what is accepted.

    A refused operation leaves no trace and costs the others nothing: its outcome is the
    error for its own caller.

    Returns:
        The outcomes, in the order of *operations*.
    """
    session_ids = {id_ for operation in operations for id_ in operation.session_ids}
    await transaction.lock_sessions(session_ids)
    ledger = await load_unit_of_work(transaction, operations)
    outcomes = [_decide(ledger, operation) for operation in operations]
    await store_unit_of_work(transaction, ledger)
    return outcomes


def _decide(ledger: UnitOfWork, operation: Operation) -> Outcome:
    try:
        match operation:
            case AppendEvents():
                return append(ledger, operation)
            case SaveSession():
                return save_session(ledger, operation)
            case SaveRun():
                return save_run(ledger, operation)
            case Flush():
                return flush(ledger, operation)
    except ASMError as refusal:
        return refusal
