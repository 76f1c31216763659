"""
Checkpoints for tests, as LangGraph's savers write them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import ormsgpack

from tests.importers.written_databases import WrittenDatabase

AT = datetime(2026, 5, 1, tzinfo=UTC)
_MODEL, _NAMED = 5, 2


def packed(value: object) -> bytes:
    """
    Return a value as MessagePack.
    """
    return ormsgpack.packb(value, option=ormsgpack.OPT_NON_STR_KEYS)


def named(module: str, name: str, members: object, code: int = _NAMED) -> ormsgpack.Ext:
    """
    Return an object as the serializer packs it.
    """
    return ormsgpack.Ext(code, packed((module, name, members)))


def message(kind: str, content: Any, **members: Any) -> ormsgpack.Ext:
    """
    Return a message of LangChain, packed.
    """
    name = {"human": "Human", "ai": "AI", "system": "System", "tool": "Tool"}[kind]
    given: dict[str, Any] = {
        "content": content,
        "additional_kwargs": {},
        "type": kind,
        **members,
    }
    return named(f"langchain_core.messages.{kind}", f"{name}Message", given, _MODEL)


@attrs.define(eq=False)
class Checkpoints:
    """
    Writes checkpoints into the tables of the saver of a kind of database.
    """

    written: WrittenDatabase
    _versions: dict[str, int] = attrs.field(factory=dict[str, int])

    async def create(self) -> None:
        """
        Create the saver's tables, as its migrations leave them.
        """
        keys = ("thread_id TEXT", "checkpoint_ns TEXT", "checkpoint_id TEXT")
        is_postgresql = self.written.kind == "postgresql"
        kept = "{jsonb}" if is_postgresql else "{bytes}"
        await self.written.create(
            "checkpoints",
            *keys,
            "parent_checkpoint_id TEXT",
            "type TEXT",
            f"checkpoint {kept}",
            f"metadata {kept}",
            "PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)",
        )
        value = "blob" if is_postgresql else "value"
        await self.written.create(
            self._writes,
            *keys,
            "task_id TEXT",
            "idx INTEGER",
            "channel TEXT",
            "type TEXT",
            f"{value} {{bytes}}",
        )
        if is_postgresql:
            await self.written.create(
                "checkpoint_blobs",
                *keys[:2],
                "channel TEXT",
                "version TEXT",
                "type TEXT",
                "blob {bytes}",
            )

    @property
    def _writes(self) -> str:
        return "checkpoint_writes" if self.written.kind == "postgresql" else "writes"

    async def put(
        self,
        number: int,
        parent: int | None,
        values: Mapping[str, Any],
        *,
        thread: str = "1",
        namespace: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Write a checkpoint; each of its values has another version than before.
        """
        keys = {"thread_id": thread, "checkpoint_ns": namespace}
        versions: dict[str, str] = {}
        for channel in values:
            self._versions[channel] = self._versions.get(channel, 0) + 1
            versions[channel] = f"{self._versions[channel]:032}.5"
        told = {"source": "loop", "step": number, **(metadata or {})}
        kept: dict[str, Any] = {
            "v": 4,
            "id": f"id-{number:04}",
            "ts": (AT + timedelta(seconds=number)).isoformat(),
            "channel_versions": versions,
        }
        if self.written.kind == "postgresql":
            await self._put_blobs(keys, values, versions)
            checkpoint: Any = json.dumps({**kept, "channel_values": {}})
            written: Any = json.dumps(told)
        else:
            checkpoint = packed({**kept, "channel_values": dict(values)})
            written = json.dumps(told).encode()
        await self.written.insert(
            "checkpoints",
            {
                **keys,
                "checkpoint_id": f"id-{number:04}",
                "parent_checkpoint_id": None if parent is None else f"id-{parent:04}",
                "type": None if self.written.kind == "postgresql" else "msgpack",
                "checkpoint": checkpoint,
                "metadata": written,
            },
        )

    async def _put_blobs(
        self, keys: Mapping[str, Any], values: Mapping[str, Any], versions: Any
    ) -> None:
        for channel, value in values.items():
            row = {**keys, "channel": channel, "version": versions[channel]}
            await self.written.insert(
                "checkpoint_blobs", {**row, "type": "msgpack", "blob": packed(value)}
            )

    async def write(
        self, number: int, channel: str, kind: str, value: bytes, *, thread: str = "1"
    ) -> None:
        """
        Write what a task has written at a checkpoint.
        """
        column = "blob" if self.written.kind == "postgresql" else "value"
        await self.written.insert(
            self._writes,
            {
                "thread_id": thread,
                "checkpoint_ns": "",
                "checkpoint_id": f"id-{number:04}",
                "task_id": "task-1",
                "idx": -1,
                "channel": channel,
                "type": kind,
                column: value,
            },
        )

    async def chat(self, *turns: Sequence[Any], thread: str = "1") -> None:
        """
        Write a checkpoint for each further piece of a chat.
        """
        said: list[Any] = []
        parent = None
        for number, turn in enumerate(turns, 1):
            said += turn
            source = "input" if number == 1 else "loop"
            metadata = {"source": source, "user_id": "ann"}
            await self.put(
                number,
                parent,
                {"messages": list(said)},
                thread=thread,
                metadata=metadata,
            )
            parent = number
