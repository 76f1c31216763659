"""
What tasks have written that became no state: errors and interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from asm_async.importers.databases.source import Query, Source
from asm_async.importers.langgraph.values import plain, read_value
from asm_async.importers.records import NotUnderstoodError

ERROR = "__error__"
"""
The channel of what a task has raised.
"""

INTERRUPT = "__interrupt__"
"""
The channel of what a task waits for.
"""

# The SQLite saver's table and its column of values, and the PostgreSQL saver's.
_TABLES = (("writes", "value"), ("checkpoint_writes", "blob"))
_KEYS = ("thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx")


@attrs.frozen
class Write:
    """
    One error or interrupt.
    """

    channel: str
    task_id: str
    number: int
    value: Any
    """
    As JSON; None if it cannot be read.
    """

    problem: str = ""
    """
    Why it cannot be read.
    """


class Writes:
    """
    Reads the errors and interrupts of one thread after the other.

    Args:
        source: The database.

        tables: Its tables and their columns.
    """

    def __init__(self, source: Source, tables: Mapping[str, Sequence[str]]) -> None:
        self._source = source
        self._table, self._column = next(
            (each for each in _TABLES if each[0] in tables), ("", "")
        )

    async def of_thread(self, thread: str) -> dict[tuple[str, str], list[Write]]:
        """
        Return those of a thread, by namespace and checkpoint.
        """
        found: dict[tuple[str, str], list[Write]] = {}
        if not self._table:
            return found
        for channel in (ERROR, INTERRUPT):
            query = Query(
                table=self._table,
                columns=[*_KEYS, "type", self._column],
                where={"thread_id": thread, "channel": channel},
                order_by=_KEYS,
            )
            async for page in self._source.pages(query):
                for row in page:
                    key = (row["checkpoint_ns"], row["checkpoint_id"])
                    found.setdefault(key, []).append(self._read(row, channel))
        return found

    def _read(self, row: Mapping[str, Any], channel: str) -> Write:
        task_id, number = str(row["task_id"]), int(row["idx"])
        try:
            value = plain(read_value(row["type"], row[self._column]))
        except NotUnderstoodError as error:
            return Write(channel, task_id, number, None, str(error))
        return Write(channel, task_id, number, value)
