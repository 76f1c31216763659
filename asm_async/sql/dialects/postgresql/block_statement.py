"""
What of a group is written at once, as the parameters of one statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from asm_async.sql.core.saved_rows import SAVED_RUNS, SAVED_SESSIONS, SavedColumns
from asm_async.sql.dialects.direct import AppendBlock, ItemBlock, SavedRow
from asm_async.sql.dialects.postgresql.append_statements import Parts, write_block
from asm_async.sql.dialects.postgresql.text_columns import SEPARATOR, column_of, joined

# A text on the server, and the array that is made of it, hold 1 GB at most.
_MAX_LENGTH = 2**28


def block_statement(
    block: AppendBlock | None, items: ItemBlock | None
) -> tuple[str, list[object]] | None:
    """
    Return the statement that writes events and items, and its parameters from $3.

    Returns:
        None if a text holds what separates the members of a column, or all values of a
        column are too long together.
    """
    texts: list[str] = []
    columns: list[object] = []
    counts: Mapping[str, int] = {}
    if block is not None:
        counts = block.counts
        columns += _columns_of(block)
        texts += block.tenants.values()
        if block.runs:
            of_runs = [[*block.runs], *zip(*block.runs.values(), strict=True)]
            columns += map(joined, of_runs)
            texts += block.runs
        columns += _columns_of_rows(SAVED_SESSIONS, block.saved_sessions)
        columns += _columns_of_rows(SAVED_RUNS, block.saved_runs)
    if items is not None:
        if items.rows:
            texts += _texts_of(items)
            columns += _columns_of_items(items, counts)
        if items.checks:
            texts += chain.from_iterable(check.name for check in items.checks)
            columns += _columns_of_checks(items)
    if any(SEPARATOR in text for text in texts):
        # Split at it, its parts would be taken for those of others.
        return None
    if any(isinstance(text, str) and len(text) > _MAX_LENGTH for text in columns):
        return None
    runs = () if block is None else block.saved_runs.values()
    parts = Parts(
        gates=block is not None,
        events=block is not None and bool(block.rows),
        expected_runs=block is not None and bool(block.runs),
        saved_sessions=block is not None and bool(block.saved_sessions),
        saved_runs=bool(runs),
        items=items is not None and bool(items.rows),
        checks=items is not None and bool(items.checks),
        new_runs=not all(row.expected for row in runs),
    )
    return write_block(parts), columns


def _columns_of(block: AppendBlock) -> list[object]:
    columns: list[Sequence[object]] = [
        [*block.counts],
        [*block.counts.values()],
        [block.expected.get(name) for name in block.counts],
        [block.tenants.get(name) for name in block.counts],
        *zip(*block.rows, strict=True),
    ]
    return [joined(values) for values in columns]


def _columns_of_rows(saved: SavedColumns, rows: Mapping[str, SavedRow]) -> list[object]:
    if not rows:
        return []
    values = zip(*(row.values for row in rows.values()), strict=True)
    expected = [row.expected for row in rows.values()]
    return [*map(column_of, saved.columns, map(list, values)), joined(expected)]


def _texts_of(items: ItemBlock) -> list[str]:
    names = [(row.item.scope, row.item.key, row.operation_id) for row in items.rows]
    return [*chain.from_iterable(names), *items.session_ids]


def _columns_of_items(items: ItemBlock, counts: Mapping[str, int]) -> list[object]:
    rows = items.rows
    return [
        joined(list(items.session_ids.difference(counts))),
        items.at,
        joined([row.item.scope for row in rows]),
        joined([row.item.key for row in rows]),
        joined([row.text for row in rows]),
        [row.item.content for row in rows],
        joined([row.item.session_id for row in rows]),
        joined([row.expected for row in rows]),
        joined([row.operation_id for row in rows]),
    ]


def _columns_of_checks(items: ItemBlock) -> list[object]:
    checks = items.checks
    return [
        joined([scope for scope, _ in (check.name for check in checks)]),
        joined([key for _, key in (check.name for check in checks)]),
        joined([check.expected for check in checks]),
        joined([check.is_removed for check in checks]),
    ]
