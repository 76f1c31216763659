"""
What a group of operations has written, for those who wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from asm_async.sql.notifications.committed_events import CommittedEvent
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.writes.append_plan import AppendEvents
from asm_async.sql.writes.operations import (
    Commit,
    Operation,
    RetractEvents,
    Written,
)
from asm_async.values.changes import Committed
from asm_async.values.event import Event


def publish_commit(
    hub: NotificationHub, operations: Sequence[Operation], written: Written
) -> None:
    """
    Publish what was just committed, before any caller gets its outcome.

    Args:
        hub: Where followers wait, or which tells other processes.

        operations: What was performed.

        written: What became of them.
    """
    appended: list[CommittedEvent] = []
    changed: set[str] = set()
    for operation, outcome in zip(operations, written.outcomes, strict=True):
        # An event that was stored before has the same content: the same texts.
        if isinstance(operation, AppendEvents) and isinstance(outcome, list):
            events = cast("list[Event]", outcome)
            appended += zip(events, operation.texts, strict=True)
        elif isinstance(operation, Commit) and isinstance(outcome, Committed):
            appended += zip(outcome.events, operation.texts, strict=True)
            # Followers see no runs and no state.
            if outcome.session is not None:
                changed.add(outcome.session.id)
        elif isinstance(operation, RetractEvents) and isinstance(outcome, list):
            changed.add(operation.partition_key)
    if changed or appended:
        hub.publish(changed, appended, written.first_position)
