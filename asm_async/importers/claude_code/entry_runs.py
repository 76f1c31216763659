"""
The requests to the model that lines of a session file are answers to.
"""

from __future__ import annotations

from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.claude_code.entry import Entry
from asm_async.importers.claude_code.entry_events import PROVIDER, text_or_none
from asm_async.importers.names import run_id_of
from asm_async.usage import token_usage_of
from asm_async.values import fields
from asm_async.values.run import Run, RunStatus


def run_of(entry: Entry, kind: str, session_id: str, time: Any) -> Run | None:
    """
    Return the request that a line is an answer to, with its tokens.

    An answer's blocks stand in several lines, each of which tells the tokens of all:
    they have one run, under the answer's id. So has an answer that was copied to the
    file of another session, which is paid for once.
    """
    name, usage = entry.message_id, entry.message.get("usage")
    if name is None or not isinstance(usage, dict):
        return None
    model = text_or_none(entry.message.get("model"))
    try:
        told = cast("dict[str, Any]", usage)
        counts = token_usage_of(told, provider=PROVIDER)
        if not any(counts.values()):
            # What the program says itself, such as that a request failed.
            return None
        run = Run.new(
            session_id=session_id,
            id=run_id_of(kind, name),
            provider=PROVIDER,
            provider_metadata={} if model is None else {"model": model},
            started_at=time,
        )
        cost = fields.optional(entry.original.get("costUSD"), "costUSD", fields.amount)
        run = attrs.evolve(run, token_usage=counts, cost_usd=cost)
    except ValidationError:
        return None
    return run.update_status(RunStatus.COMPLETED, at=time)


def together(earlier: Run, later: Run) -> Run:
    """
    Return the run of two lines of one answer: the later line tells all its tokens.
    """
    cost = earlier.cost_usd if later.cost_usd is None else later.cost_usd
    return attrs.evolve(later, started_at=earlier.started_at, cost_usd=cost)
