"""
The usual case, new events for living sessions, as one statement or one thread hop.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import attrs

from asm_async.sql.careful_path import Outcome
from asm_async.sql.dialects import Dialect, EventRow
from asm_async.sql.operations import AppendEvents, Operation

__all__ = ["Written", "append_at_once"]


@attrs.frozen(kw_only=True)
class Written:
    """
    What became of a group of operations.
    """

    outcomes: list[Outcome]
    """
    The outcomes, in the order of the operations.
    """

    first_position: int | None = None
    """
    The place in the feed of the first event, behind which the others stand one by one;
    None where only reading tells.
    """


async def append_at_once(
    driver: object,
    dialect: Dialect,
    operations: Sequence[Operation],
    patience: float,
) -> Written | None:
    """
    Append the events of all *operations*, if nothing about them is unusual.

    Args:
        driver: The driver's own connection.

        dialect: How its database does it.

        operations: What to perform.

        patience: How long, in seconds, to wait for locks.

    Returns:
        What was committed; None if something calls for the careful path, and then
        nothing was written.
    """
    if not operations:
        return Written(outcomes=[])
    appends: list[AppendEvents] = []
    for operation in operations:
        if not isinstance(operation, AppendEvents):
            return None
        if operation.expected_sequence is not None:
            return None
        appends.append(operation)
    counts: dict[str, int] = {}
    rows = [row for append in appends for row in _event_rows(append, counts)]
    if len({(row[0], row[2]) for row in rows}) < len(rows):
        return None
    appended = await dialect.append_block(driver, counts, rows, patience)
    if appended is None:
        return None
    latest = appended.latest.items()
    bases = {name: number - counts[name] for name, number in latest}
    numbers = iter([bases[row[0]] + row[1] for row in rows])
    return Written(
        outcomes=[
            append.numbered(islice(numbers, len(append.events))) for append in appends
        ],
        first_position=appended.first_position,
    )


def _event_rows(append: AppendEvents, counts: dict[str, int]) -> list[EventRow]:
    """
    Give the columns of an append's events, each with its place among its session's.
    """
    rows: list[EventRow] = []
    for event, (data, metadata) in zip(append.events, append.texts, strict=True):
        place = counts[event.session_id] = counts.get(event.session_id, 0) + 1
        rows.append(
            (
                event.session_id,
                place,
                event.id,
                event.type,
                event.timestamp,
                event.run_id,
                data,
                metadata,
                event.schema_version,
                event.provider,
                event.correlation_id,
            )
        )
    return rows
