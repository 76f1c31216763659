"""
The run that a snapshot's new messages were said in.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from asm_async.errors import ValidationError
from asm_async.integrations.strands.snapshot import SaidMessage
from asm_async.usage import token_usage_of
from asm_async.values.run import Run, RunStatus


def run_of(
    said: Sequence[SaidMessage], run_id: str, session_id: str, taken_at: datetime
) -> Run | None:
    """
    Return the run that these messages tell of; None if they tell of no tokens.

    Strands names no invocation in its snapshots, so that what one snapshot adds is one
    run: an invocation, where the session manager saves after each.
    """
    reports = [usage for each in said if (usage := _usage_of(each))]
    if not reports:
        return None
    run = Run.new(id=run_id, session_id=session_id, started_at=taken_at)
    run = run.update_status(RunStatus.RUNNING)
    for usage in reports:
        run = run.update_token_usage(usage).increment_turn()
    return run.complete(at=taken_at)


def _usage_of(message: SaidMessage) -> dict[str, Any]:
    match message.members:
        case {"metadata": {"usage": usage}}:
            with suppress(ValidationError):
                return dict(token_usage_of(usage))
        case _:
            pass
    return {}
