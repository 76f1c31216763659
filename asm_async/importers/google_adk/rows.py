"""
Rows of ADK's events as the JSON that ADK has for an event.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import attrs

from asm_async.importers.databases.source import Row
from asm_async.importers.databases.values import (
    column_time,
    is_object,
    json_members,
    json_value,
)
from asm_async.importers.google_adk.pickled import read_pickle
from asm_async.importers.names import time_of
from asm_async.importers.records import NotUnderstoodError

_JSON_COLUMNS = (
    "content",
    "grounding_metadata",
    "custom_metadata",
    "usage_metadata",
    "citation_metadata",
    "input_transcription",
    "output_transcription",
)
_TEXT_COLUMNS = ("author", "branch", "error_code", "error_message")
_FLAG_COLUMNS = ("partial", "turn_complete", "interrupted")


@attrs.frozen
class AdkRecord:
    """
    An event of ADK.
    """

    members: Mapping[str, Any]
    """
    The event as ADK writes it as JSON.
    """

    at: datetime
    problems: tuple[str, ...] = ()
    """
    What of the row was not understood.
    """

    left: Mapping[str, Any] = MappingProxyType({})
    """
    What could not be read, as it is stored there.
    """


def record_of_json(row: Row) -> AdkRecord:
    """
    Return the event of a row of the schema that has it as JSON.

    Raises:
        NotUnderstoodError: If it is none.
    """
    members = json_members(row["event_data"], "event_data")
    # The columns are what ADK itself goes by; its time is the one in the event.
    for name in ("id", "invocation_id"):
        members[name] = _text(row, name)
    at = time_of(members.get("timestamp"))
    if at is None:
        at = _column_time(row)
        members["timestamp"] = at.timestamp()
    return AdkRecord(members, at)


def record_of_columns(row: Row, offset: timedelta) -> AdkRecord:
    """
    Return the event of a row of the schema that has a column for each of its members.

    Args:
        row: The row.

        offset: By how much its times are ahead of UTC.

    Raises:
        NotUnderstoodError: If it is none.
    """
    at = _column_time(row) - offset
    reader = _ColumnReader(row)
    members: dict[str, Any] = {
        "id": _text(row, "id"),
        "invocation_id": _text(row, "invocation_id"),
        "timestamp": at.timestamp(),
    }
    for name in _TEXT_COLUMNS:
        reader.take(members, name, lambda value: value)
    for name in _FLAG_COLUMNS:
        reader.take(members, name, bool)
    for name in _JSON_COLUMNS:
        # Whatever is falsy is null there, such as JSON's own null.
        reader.take(members, name, json_value)
    ids: dict[str, Any] = {}
    reader.take(ids, "long_running_tool_ids_json", json_value)
    # ADK reads none as an empty set.
    members["long_running_tool_ids"] = ids.get("long_running_tool_ids_json") or []
    reader.take(members, "actions", reader.actions)
    return AdkRecord(members, at, tuple(reader.problems), reader.left)


class _ColumnReader:
    """
    Reads columns, each for itself: of one that is damaged the others still are read.
    """

    def __init__(self, row: Row) -> None:
        self._row = row
        self.problems: list[str] = []
        self.left: dict[str, Any] = {}

    def take(
        self, members: dict[str, Any], name: str, read: Callable[[Any], Any]
    ) -> None:
        """
        Add a column to *members*, unless it is null.
        """
        value = self._row.get(name)
        if value is None:
            return
        try:
            plain = read(value)
        except NotUnderstoodError as error:
            self.problems.append(f"{name}: {error}")
            self._leave(name, value)
            return
        if plain is not None:
            members[name] = plain

    def actions(self, value: Any) -> Any:
        """
        Return what a pickle of ``EventActions`` holds.
        """
        if not isinstance(value, bytes):
            return json_members(value, "actions")
        unpickled = read_pickle(value)
        if not is_object(unpickled.value):
            raise NotUnderstoodError("the pickle holds no actions")
        if unpickled.unknown:
            names = ", ".join(unpickled.unknown)
            self.problems.append(f"actions: without a form in JSON: {names}")
            self._leave("actions", value)
        return unpickled.value

    def _leave(self, name: str, value: Any) -> None:
        is_bytes = isinstance(value, bytes)
        self.left[name] = base64.b64encode(value).decode() if is_bytes else str(value)


def _text(row: Row, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise NotUnderstoodError(f"{name} is no text")
    return value


def _column_time(row: Row) -> datetime:
    at = column_time(row["timestamp"])
    if at is None:
        raise NotUnderstoodError("timestamp is no time")
    return at
