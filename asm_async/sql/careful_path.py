"""
The way that is always right: a group of operations in one locked transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from asm_async.errors import ASMError
from asm_async.sql.append import append
from asm_async.sql.ledger import Ledger
from asm_async.sql.ledger_rows import read_ledger, write_ledger
from asm_async.sql.operations import (
    AppendEvents,
    Flush,
    Operation,
    SaveRun,
    SaveSession,
)
from asm_async.sql.save import flush, save_run, save_session
from asm_async.sql.transactions import Transaction
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["Outcome", "perform"]

Outcome: TypeAlias = list[Event] | Session | Run | ExecutionResult | ASMError


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
    ledger = await read_ledger(transaction, operations)
    outcomes = [_decide(ledger, operation) for operation in operations]
    await write_ledger(transaction, ledger)
    return outcomes


def _decide(ledger: Ledger, operation: Operation) -> Outcome:
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
