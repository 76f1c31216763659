"""
What a group of operations has written, for those who wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from asm_async.sql.careful_path import Outcome
from asm_async.sql.committed_event import CommittedEvent
from asm_async.sql.operations import AppendEvents, Operation, SaveRun
from asm_async.sql.wake_ups import WakeUps

__all__ = ["spread"]


def spread(
    wake_ups: WakeUps, operations: Sequence[Operation], outcomes: Sequence[Outcome]
) -> None:
    """
    Tell of what was just committed, before anybody is given the outcomes.

    Args:
        wake_ups: Whom to tell.

        operations: What was performed.

        outcomes: What became of each.
    """
    events: dict[str, list[CommittedEvent]] = {}
    written: set[str] = set()
    unclear: set[str] = set()
    for operation, outcome in zip(operations, outcomes, strict=True):
        if isinstance(operation, SaveRun):
            # Followers see no runs.
            continue
        written |= operation.session_ids
        if isinstance(operation, AppendEvents) and isinstance(outcome, list):
            # What was stored before has the same content, and so the same texts.
            for event, (data, metadata) in zip(outcome, operation.texts, strict=True):
                if wake_ups.is_followed(event.session_id):
                    of_session = events.setdefault(event.session_id, [])
                    of_session.append(CommittedEvent(event, data, metadata))
        else:
            unclear |= operation.session_ids
    handed = {id_: found for id_, found in events.items() if id_ not in unclear}
    if written:
        wake_ups.notify(written, handed)
