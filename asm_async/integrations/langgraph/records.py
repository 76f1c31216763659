"""
A checkpoint as it is stored: what it says itself, and the forms of its values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointTuple,
    PendingWrite,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.integrations.langgraph import forms, keys
from asm_async.values.state_item import StateItem


@attrs.frozen(kw_only=True)
class Record:
    """
    What the item of a checkpoint holds.
    """

    checkpoint: Mapping[str, Any]
    """
    The checkpoint without its values.
    """

    metadata: Mapping[str, Any]
    values: Mapping[str, bytes | None]
    """
    By channel, the form of its value; None of one that has an item of its own.
    """

    parent: str | None = None

    @property
    def id(self) -> str:
        """
        The checkpoint's id.
        """
        return cast("str", self.checkpoint["id"])

    def value_key(self, namespace: str, channel: str) -> str:
        """
        Return the key of the item that a channel's value has.
        """
        version = self.checkpoint["channel_versions"][channel]
        return keys.value(namespace, channel, version)

    def stored_keys(self, namespace: str) -> dict[str, str]:
        """
        Return, by channel, the keys of the items that values have.
        """
        return {
            channel: self.value_key(namespace, channel)
            for channel, form in self.values.items()
            if form is None
        }

    def packed(self, serde: SerializerProtocol) -> bytes:
        """
        Return it as bytes, but for the parent, which no serializer shall hide.
        """
        plain = {
            "checkpoint": dict(self.checkpoint),
            "metadata": dict(self.metadata),
            "values": dict(self.values),
        }
        return forms.pack(serde, plain)


def record_of(serde: SerializerProtocol, item: StateItem) -> Record:
    """
    Return what the item of a checkpoint holds.
    """
    plain = cast("dict[str, Any]", forms.unpack(serde, item.content or b""))
    return Record(
        checkpoint=plain["checkpoint"],
        metadata=plain["metadata"],
        values=plain["values"],
        parent=data_of(item).get("parent"),
    )


def data_of(item: StateItem) -> Mapping[str, Any]:
    """
    Return an item's data, which is an object.
    """
    return cast("Mapping[str, Any]", item.data)


@attrs.frozen(kw_only=True)
class Found:
    """
    A checkpoint with all that is stored of it, as bytes.
    """

    thread_id: str
    namespace: str
    record: Record
    writes: Sequence[StateItem]
    forms: Mapping[str, bytes] = attrs.field(factory=dict[str, bytes])
    """
    By channel, the forms of all its values.
    """

    parts: Mapping[bytes, bytes] = attrs.field(factory=dict[bytes, bytes])
    """
    What the forms name.
    """

    @property
    def config(self) -> RunnableConfig:
        """
        What names the checkpoint.
        """
        return config_of(self.thread_id, self.namespace, self.record.id)

    def tuple_with(self, serde: SerializerProtocol) -> CheckpointTuple:
        """
        Return it as LangGraph knows it.
        """
        values = {
            channel: forms.decode(serde, form, self.parts)
            for channel, form in self.forms.items()
        }
        parent = self.record.parent
        return CheckpointTuple(
            config=self.config,
            checkpoint=cast(
                "Checkpoint", {**self.record.checkpoint, "channel_values": values}
            ),
            metadata=cast("Any", dict(self.record.metadata)),
            parent_config=(
                config_of(self.thread_id, self.namespace, parent) if parent else None
            ),
            pending_writes=pending(serde, self.writes),
        )


def pending(
    serde: SerializerProtocol, items: Sequence[StateItem]
) -> list[PendingWrite]:
    """
    Return the writes of a checkpoint in the order in which a run applies them.
    """
    found = [(data_of(item), item.content or b"") for item in items]
    found.sort(
        key=lambda each: writes_sort_key(
            each[0]["path"], each[0]["task"], each[0]["index"]
        )
    )
    return [
        (data["task"], data["channel"], forms.unpack(serde, content))
        for data, content in found
    ]


def config_of(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    """
    Return what names a checkpoint.
    """
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }
