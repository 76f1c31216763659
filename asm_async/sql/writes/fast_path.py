"""
The usual case, new events for living sessions, as one statement or one thread hop.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from asm_async.sql.dialects import Dialect, EventRow
from asm_async.sql.writes.operations import AppendEvents, Operation, Written

__all__ = ["append_fast"]


async def append_fast(
    driver: object,
    dialect: Dialect,
    operations: Sequence[Operation],
    timeout: float,
) -> Written | None:
    """
    Append the events of all *operations*, if nothing about them is unusual.

    Args:
        driver: The driver's own connection.

        dialect: How its database does it.

        operations: What to perform.

        timeout: How long, in seconds, to wait for locks.

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
    appended = await dialect.append_block(driver, counts, rows, timeout)
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
