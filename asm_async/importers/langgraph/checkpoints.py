"""
Rows of the savers' tables as checkpoints.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.databases.source import Query, Row, Source, size_of
from asm_async.importers.databases.values import json_members
from asm_async.importers.langgraph.values import read_value
from asm_async.importers.names import time_of
from asm_async.importers.records import NotUnderstoodError, Place

CHECKPOINTS = "checkpoints"
"""
The table that all savers have.
"""

_BLOBS = "checkpoint_blobs"
_KEYS = ("thread_id", "checkpoint_ns", "checkpoint_id")
_OPTIONAL = ("parent_checkpoint_id", "type")
_EPOCH = datetime.fromtimestamp(0, UTC)
_NO_VALUE = "empty"


@attrs.frozen
class Checkpoint:
    """
    One checkpoint, without the values of its channels.
    """

    thread: str
    namespace: str
    id: str
    parent: str | None
    at: datetime
    metadata: Mapping[str, Any]
    versions: Mapping[str, Any]
    """
    By channel, the version of its value.
    """

    inline: Mapping[str, Any]
    """
    By channel, the values that stand in it.
    """


class Checkpoints:
    """
    Reads checkpoints and the values of their channels.

    Args:
        source: The database.

        tables: Its tables and their columns.

    Raises:
        ValidationError: If it has no table of checkpoints that is known.
    """

    def __init__(self, source: Source, tables: Mapping[str, Sequence[str]]) -> None:
        columns = {*tables.get(CHECKPOINTS, ())}
        if not {"thread_id", "checkpoint_ns", "checkpoint", "metadata"} <= columns:
            raise ValidationError(
                "langgraph: the database has no table checkpoints with the columns of"
                " LangGraph 0.2 or later"
            )
        self._source = source
        # One that keeps the latest checkpoint alone has no column of its id.
        self._keys = [key for key in _KEYS if key in columns]
        self._unknown_parent = None if "checkpoint_id" in columns else ""
        others = [name for name in _OPTIONAL if name in columns]
        self._columns = [*self._keys, *others, "checkpoint", "metadata"]
        self._blobs = {*tables.get(_BLOBS, ())}

    async def rows(self) -> AsyncIterator[tuple[Row, Place]]:
        """
        Yield the rows of all checkpoints, those of a namespace by their ids.
        """
        query = Query(table=CHECKPOINTS, columns=self._columns, order_by=self._keys)
        number = 0
        async for page in self._source.pages(query):
            for row in page:
                number += 1
                yield row, Place(CHECKPOINTS, number, size_of(list(row.values())))

    def read(self, row: Row) -> Checkpoint:
        """
        Return the checkpoint in a row.

        Raises:
            NotUnderstoodError: If it has an unknown form.
        """
        kind, content = row.get("type"), row["checkpoint"]
        if self._blobs or kind is None:
            kept = json_members(content, "checkpoint")
        else:
            value = read_value(kind, content)
            if not isinstance(value, dict):
                raise NotUnderstoodError("checkpoint is no object")
            kept = cast("dict[str, Any]", value)
        checkpoint_id = row.get("checkpoint_id") or kept.get("id")
        thread, namespace = row["thread_id"], row["checkpoint_ns"]
        if not all(isinstance(n, str) for n in (thread, namespace, checkpoint_id)):
            raise NotUnderstoodError("its keys are no texts")
        return Checkpoint(
            thread=thread,
            namespace=namespace,
            id=str(checkpoint_id),
            # Of a saver that keeps the latest alone, it is one that is not there.
            parent=row.get("parent_checkpoint_id") or self._unknown_parent,
            at=time_of(kept.get("ts")) or _EPOCH,
            metadata=json_members(row["metadata"] or "{}", "metadata"),
            versions=_members(kept, "channel_versions"),
            inline=_members(kept, "channel_values"),
        )

    async def value(self, checkpoint: Checkpoint, channel: str) -> tuple[Any, int]:
        """
        Return the value of a channel, and how many bytes were read for it.

        Raises:
            KeyError: If it has none.

            NotUnderstoodError: If it cannot be read.
        """
        if self._blobs:
            where = {
                "thread_id": checkpoint.thread,
                "checkpoint_ns": checkpoint.namespace,
                "channel": channel,
            }
            if "version" in self._blobs:
                where["version"] = str(checkpoint.versions.get(channel))
            columns = [*where, "type", "blob"]
            query = Query(
                table=_BLOBS, columns=columns, where=where, order_by=tuple(where)
            )
            row = await self._source.first(query)
            if row is not None and row["type"] != _NO_VALUE:
                return read_value(row["type"], row["blob"]), size_of([row["blob"]])
        return checkpoint.inline[channel], 0


def _members(kept: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = kept.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
