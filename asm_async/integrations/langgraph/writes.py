"""
The writes that are pending on a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.errors import SessionNotFoundError
from asm_async.integrations.langgraph import forms, keys
from asm_async.integrations.langgraph.reading import Place
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem


@attrs.frozen
class Task:
    """
    A task of a run, and what it has written: channels and values.
    """

    id: str
    path: str
    writes: Sequence[tuple[str, Any]]


@attrs.frozen(kw_only=True)
class Writes:
    """
    What a task has written, as items.
    """

    scope: str
    items: Sequence[StateItem]
    are_special: bool
    """
    Whether each replaces the one of its kind; others stay as they were first.
    """

    session: Callable[[], Session]
    """
    Makes the session that the thread appears as, should there be none yet.
    """

    @property
    def expected(self) -> dict[tuple[str, str], int]:
        """
        The revisions that a commit expects of their items: 0 of those that stay.
        """
        if self.are_special:
            return {}
        return {(item.scope, item.key): 0 for item in self.items}


def writes_of(
    place: Place,
    checkpoint_id: str,
    task: Task,
    serde: SerializerProtocol,
    session: Callable[[], Session],
) -> Writes:
    """
    Return what a task has written.
    """
    items: dict[str, StateItem] = {}
    for number, (channel, value) in enumerate(task.writes):
        index = WRITES_IDX_MAP.get(channel, number)
        key = keys.write(place.namespace, checkpoint_id, task.id, index)
        items[key] = StateItem(
            scope=place.scope,
            key=key,
            data={
                "task": task.id,
                "path": task.path,
                "index": index,
                "channel": channel,
            },
            content=forms.pack(serde, value),
            session_id=place.scope,
        )
    return Writes(
        scope=place.scope,
        items=list(items.values()),
        are_special=all(channel in WRITES_IDX_MAP for channel, _ in task.writes),
        session=session,
    )


async def save_writes(ports: Ports, writes: Writes) -> None:
    """
    Save what a task has written; it may come before its checkpoint, and its thread.
    """
    keep_existing = not writes.are_special
    try:
        await ports.state.save_items(writes.items, keep_existing=keep_existing)
    except SessionNotFoundError:
        await ports.store.commit(Changes(create_session=writes.session()))
        await ports.state.save_items(writes.items, keep_existing=keep_existing)
