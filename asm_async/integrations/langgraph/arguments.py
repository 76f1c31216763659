"""
What LangGraph's methods are given, as values of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)

from asm_async.errors import ValidationError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.langgraph.listing import AGENT_ID, THREAD_ID, Wanted
from asm_async.integrations.langgraph.putting import Put
from asm_async.integrations.langgraph.reading import Place
from asm_async.integrations.langgraph.records import Record
from asm_async.values import fields
from asm_async.values.session import Session


def scope_of(thread_id: object) -> str:
    """
    Return the scope of a thread's items, which is the id of its session, too.
    """
    return _scope(str(thread_id))


@lru_cache(maxsize=4_096)
def _scope(thread_id: str) -> str:
    return safe_id("langgraph", thread_id)


def place_of(config: RunnableConfig) -> Place:
    """
    Return the thread and the namespace that a config names.

    Raises:
        ValidationError: If it names no thread.
    """
    named = _configurable(config)
    if "thread_id" not in named:
        raise ValidationError("config['configurable']['thread_id']: this is missing")
    return Place(
        thread_id=str(named["thread_id"]),
        scope=scope_of(named["thread_id"]),
        namespace=named.get("checkpoint_ns") or "",
    )


def thread_of(thread_id: str) -> Place:
    """
    Return the place of a thread's root.
    """
    return place_of({"configurable": {"thread_id": thread_id}})


def checkpoint_id_of(config: RunnableConfig | None) -> str | None:
    """
    Return the checkpoint that a config names, if it does.
    """
    return _configurable(config).get("checkpoint_id") or None


def named_checkpoint(config: RunnableConfig) -> str:
    """
    Return the checkpoint that a config names.

    Raises:
        ValidationError: If it names none.
    """
    if (named := checkpoint_id_of(config)) is None:
        raise ValidationError(
            "config['configurable']['checkpoint_id']: this is missing"
        )
    return named


def config_for(config: RunnableConfig, checkpoint_id: str) -> RunnableConfig:
    """
    Return what names a checkpoint of the thread and the namespace of a config.
    """
    named = _configurable(config)
    return {
        "configurable": {
            "thread_id": named["thread_id"],
            "checkpoint_ns": named.get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint_id,
        }
    }


def wanted_of(
    config: RunnableConfig | None,
    metadata: Mapping[str, Any] | None,
    before: RunnableConfig | None,
    limit: int | None,
) -> Wanted:
    """
    Return which checkpoints are to be listed.
    """
    named = _configurable(config)
    thread_id = named.get("thread_id")
    return Wanted(
        thread_id=None if thread_id is None else str(thread_id),
        scope=None if thread_id is None else scope_of(thread_id),
        namespace=named.get("checkpoint_ns"),
        checkpoint_id=checkpoint_id_of(config),
        before=checkpoint_id_of(before),
        metadata=metadata or {},
        limit=limit,
    )


def put_of(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    *,
    is_recorded: bool,
    is_checked: bool,
) -> Put:
    """
    Return what is to be put.
    """
    place = place_of(config)
    plain: dict[str, Any] = {**checkpoint}
    values = plain.pop("channel_values")
    all_metadata = get_serializable_checkpoint_metadata(config, metadata)
    is_root = not place.namespace
    return Put(
        place=place,
        record=Record(
            checkpoint=plain,
            metadata=cast("Mapping[str, Any]", all_metadata),
            values={},
            parent=checkpoint_id_of(config),
        ),
        values=values,
        new_channels=frozenset(new_versions),
        session=partial(session_of, config),
        is_recorded=is_recorded and is_root,
        is_checked=is_checked and is_root,
    )


def session_of(config: RunnableConfig) -> Session:
    """
    Return the session that a thread appears as, should there be none yet.

    It is of the user that the config names, if it does (``user_id``).
    """
    named = _configurable(config)
    user_id = named.get("user_id")
    try:
        user_id = fields.optional(user_id, "user_id", fields.text)
    except ValidationError:
        user_id = None
    thread_id = str(named["thread_id"])
    return Session.new(
        id=scope_of(thread_id),
        agent_id=AGENT_ID,
        user_id=user_id,
        metadata={THREAD_ID: thread_id},
    )


def _configurable(config: RunnableConfig | None) -> dict[str, Any]:
    return {} if config is None else config.get("configurable", {})
