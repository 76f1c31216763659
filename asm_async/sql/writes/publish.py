"""
What a group of operations has written, for those who wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from asm_async.sql.notifications.committed_event import CommittedEvent
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.writes.operations import AppendEvents, Operation, SaveRun, Written

__all__ = ["publish_commit"]


def publish_commit(
    hub: NotificationHub, operations: Sequence[Operation], written: Written
) -> None:
    """
    Tell of what was just committed, before anybody is given the outcomes.

    Args:
        hub: Whom to tell.

        operations: What was performed.

        written: What became of them.
    """
    events: dict[str, list[CommittedEvent]] = {}
    session_ids: set[str] = set()
    unclear: set[str] = set()
    for operation, outcome in zip(operations, written.outcomes, strict=True):
        if isinstance(operation, SaveRun):
            # Followers see no runs.
            continue
        session_ids |= operation.session_ids
        if isinstance(operation, AppendEvents) and isinstance(outcome, list):
            # What was stored before has the same content, and so the same texts.
            for event, (data, metadata) in zip(outcome, operation.texts, strict=True):
                if hub.is_followed(event.session_id):
                    of_session = events.setdefault(event.session_id, [])
                    of_session.append(CommittedEvent(event, data, metadata))
        else:
            unclear |= operation.session_ids
    if session_ids:
        handed = {id_: found for id_, found in events.items() if id_ not in unclear}
        hub.notify(session_ids, handed, _in_order(hub, operations, written))


def _in_order(
    hub: NotificationHub, operations: Sequence[Operation], written: Written
) -> Sequence[CommittedEvent]:
    """
    Give the events with their positions, if those are known and somebody asks for them.
    """
    if written.first_position is None or not hub.follows_all:
        return ()
    appended = (
        (event, *texts)
        for operation, outcome in zip(operations, written.outcomes, strict=True)
        if isinstance(operation, AppendEvents) and isinstance(outcome, list)
        for event, texts in zip(outcome, operation.texts, strict=True)
    )
    return [
        CommittedEvent(*event, position)
        for position, event in enumerate(appended, written.first_position)
    ]
