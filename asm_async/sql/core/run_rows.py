"""
Runs as the statements write them that save one without reading it first.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from asm_async.sql.core import tables
from asm_async.sql.core.column_types import JSONText
from asm_async.values.fields import MAX_COUNT
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run, RunStatus

_OF_STORE = frozenset({"revision", "operation_id"})
_OF_RUN: tuple[sa.Column[Any], ...] = tuple(
    column for column in tables.runs.c if column.name not in _OF_STORE
)
_IS_JSON = tuple(isinstance(column.type, JSONText) for column in _OF_RUN)
_values_of: Callable[[Run], tuple[Any, ...]] = attrgetter(
    *(column.name for column in _OF_RUN)
)

RUN_COLUMNS: tuple[sa.Column[Any], ...] = (*_OF_RUN, tables.runs.c.operation_id)
"""
All columns of a run but its revision, in the order of its values.
"""

RunValues: TypeAlias = tuple[Any, ...]
"""
A run's values in the order of :data:`RUN_COLUMNS`, JSON as text.
"""


def run_values(run: Run, operation_id: str | None) -> RunValues:
    """
    Return what the columns of a run hold when an operation has saved it.
    """
    values = [
        encode_json(value) if is_json and value is not None else value
        for value, is_json in zip(_values_of(run), _IS_JSON, strict=True)
    ]
    return (*values, operation_id)


def may_follow(old: str, new: str) -> str:
    """
    Write the condition that a run may be saved over the one that is stored.

    Args:
        old: The name of the stored row, or of its table.

        new: The status of the run to be saved, as an expression.
    """
    cases = [
        f"WHEN '{status}' THEN {new} IN ({_quoted(status)})" for status in RunStatus
    ]
    return f"{old}.revision < {MAX_COUNT} AND CASE {old}.status {' '.join(cases)} END"


def _quoted(status: RunStatus) -> str:
    return ", ".join(f"'{each}'" for each in RunStatus if status.can_become(each))
