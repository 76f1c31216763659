"""
What of a group is written at once, as the parameters of one statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain

from asm_async.sql.dialects.direct import AppendBlock, ItemBlock
from asm_async.sql.dialects.postgresql.append_statements import write_block

_SEPARATOR = chr(31)


def block_statement(
    block: AppendBlock | None, items: ItemBlock | None
) -> tuple[str, list[object]] | None:
    """
    Return the statement that writes events and items, and its parameters from $3.

    Returns:
        None if a text holds what separates the members of a column.
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
            columns += map(column, of_runs)
            texts += block.runs
    if items is not None:
        if items.rows:
            texts += _texts_of(items)
            columns += _columns_of_items(items, counts)
        if items.checks:
            texts += chain.from_iterable(check.name for check in items.checks)
            columns += _columns_of_checks(items)
    if any(_SEPARATOR in text for text in texts):
        # Split at it, its parts would be taken for those of others.
        return None
    statement = write_block(
        has_events=block is not None,
        has_runs=block is not None and bool(block.runs),
        has_items=items is not None and bool(items.rows),
        has_checks=items is not None and bool(items.checks),
    )
    return statement, columns


def _columns_of(block: AppendBlock) -> list[object]:
    columns: list[Sequence[object]] = [
        [*block.counts],
        [*block.counts.values()],
        [block.expected.get(name) for name in block.counts],
        [block.tenants.get(name) for name in block.counts],
        *zip(*block.rows, strict=True),
    ]
    return [column(values) for values in columns]


def _texts_of(items: ItemBlock) -> list[str]:
    names = [(row.item.scope, row.item.key, row.operation_id) for row in items.rows]
    return [*chain.from_iterable(names), *items.session_ids]


def _columns_of_items(items: ItemBlock, counts: Mapping[str, int]) -> list[object]:
    rows = items.rows
    return [
        column(list(items.session_ids.difference(counts))),
        items.at,
        column([row.item.scope for row in rows]),
        column([row.item.key for row in rows]),
        column([row.text for row in rows]),
        [row.item.content for row in rows],
        column([row.item.session_id for row in rows]),
        column([row.expected for row in rows]),
        column([row.operation_id for row in rows]),
    ]


def _columns_of_checks(items: ItemBlock) -> list[object]:
    checks = items.checks
    return [
        column([scope for scope, _ in (check.name for check in checks)]),
        column([key for _, key in (check.name for check in checks)]),
        column([check.expected for check in checks]),
        column([check.is_removed for check in checks]),
    ]


def column(values: Sequence[object]) -> object:
    """
    Write a column as the server splits it; None is no text at all.
    """
    if values and isinstance(values[0], datetime):
        return values
    return _SEPARATOR.join(["" if value is None else str(value) for value in values])
