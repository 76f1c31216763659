"""
Sessions and runs as the statements write them that save one without reading it first.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa

from asm_async.sql.core import tables
from asm_async.sql.core.column_types import JSONText
from asm_async.values.fields import MAX_COUNT
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

RowValues: TypeAlias = tuple[Any, ...]
"""
A row's values in the order of its table's :class:`SavedColumns`, JSON as text.
"""


class SavedColumns:
    """
    All columns of sessions or runs but the revision, and what may follow what.

    Args:
        table: Where they are stored.

        statuses: Those that they may have.
    """

    def __init__(
        self, table: sa.Table, statuses: type[RunStatus | SessionStatus]
    ) -> None:
        of_value = [
            column
            for column in table.c
            if column.name not in {"revision", "operation_id"}
        ]
        self.columns: tuple[sa.Column[Any], ...] = (*of_value, table.c.operation_id)
        self.names: tuple[str, ...] = tuple(column.name for column in self.columns)
        self._is_json = [isinstance(column.type, JSONText) for column in of_value]
        is_json = [index for index, it in enumerate(self._is_json) if it]
        self._json_of: Callable[[RowValues], RowValues] = itemgetter(*is_json)
        self._values_of = attrgetter(*(column.name for column in of_value))
        self._statuses = statuses

    def values(self, value: Session | Run, operation_id: str | None) -> RowValues:
        """
        Return what the columns hold when an operation has saved *value*.
        """
        values = [
            encode_json(value) if is_json and value is not None else value
            for value, is_json in zip(
                self._values_of(value), self._is_json, strict=True
            )
        ]
        return (*values, operation_id)

    def size_of(self, values: RowValues) -> int:
        """
        Return how many characters the JSON of a row has.
        """
        return sum([len(text) for text in self._json_of(values) if text is not None])

    def may_follow(self, old: str, new: str) -> str:
        """
        Write the condition that a value may be saved over the one that is stored.

        Args:
            old: The name of the stored row, or of its table.

            new: The status of the one to be saved, as an expression.
        """
        cases: list[str] = []
        for status in self._statuses:
            # Both are of one class, which type checkers do not see here.
            before: Any = status
            after = [f"'{each}'" for each in self._statuses if before.can_become(each)]
            cases.append(f"WHEN '{status}' THEN {new} IN ({', '.join(after)})")
        is_next = f"CASE {old}.status {' '.join(cases)} END"
        return f"{old}.revision < {MAX_COUNT} AND {is_next}"


SAVED_SESSIONS: SavedColumns = SavedColumns(tables.sessions, SessionStatus)
SAVED_RUNS: SavedColumns = SavedColumns(tables.runs, RunStatus)
