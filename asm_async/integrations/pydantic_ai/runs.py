"""
The runs that the framework's messages were sent in, with what they consumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs
from pydantic_ai.conversation_store import ConversationEntry
from pydantic_ai.messages import ModelResponse

from asm_async.integrations.ids import safe_id
from asm_async.integrations.pydantic_ai.events import usage_of
from asm_async.integrations.pydantic_ai.records import fitting_text
from asm_async.values.run import Run, RunStatus


@attrs.frozen
class SentMessage:
    """
    A message of a run.
    """

    session_id: str
    """
    The session.
    """

    run_id: str
    """
    Our id of its run.
    """

    entry: ConversationEntry
    """
    The entry that holds it.
    """

    data: Mapping[str, Any]
    """
    The message as JSON.
    """

    timestamp: datetime
    """
    When it was sent.
    """


def run_key(entry: ConversationEntry) -> str | None:
    """
    Return the framework's id of the run of a message; None if it is of none.

    A response is of some run, also where nothing says of which.
    """
    message = entry.message
    return message.run_id or (entry.id if isinstance(message, ModelResponse) else None)


def run_id_of(session_id: str, key: str) -> str:
    """
    Return our id of the framework's run: one history may be stored twice.
    """
    return safe_id("pydantic-ai.run", session_id, key)


def runs_of(messages: Iterable[SentMessage], stored: Mapping[str, Run]) -> list[Run]:
    """
    Return the runs of some messages, as they are to be saved.

    Args:
        messages: In their order.

        stored: Those that are stored already, by id.
    """
    runs: dict[str, Run] = {}
    for message in messages:
        run_id = message.run_id
        run = runs.get(run_id) or stored.get(run_id) or _begun(message)
        runs[run_id] = _with_message(run, message)
    return list(runs.values())


def _begun(message: SentMessage) -> Run:
    run = Run.new(
        id=message.run_id,
        session_id=message.session_id,
        metadata={"run_id": run_key(message.entry)},
        started_at=message.timestamp,
    )
    return attrs.evolve(run, status=RunStatus.COMPLETED)


def _with_message(run: Run, message: SentMessage) -> Run:
    run = attrs.evolve(run, ended_at=message.timestamp)
    if not isinstance(message.entry.message, ModelResponse):
        return run
    data = message.data
    if provider := fitting_text(data.get("provider_name")):
        run = run.set_provider(provider)
    if model := fitting_text(data.get("model_name")):
        known = {**run.provider_metadata, "model": model}
        run = attrs.evolve(run, provider_metadata=known)
    if usage := usage_of(data):
        run = run.update_token_usage(usage)
    if (cost := message.entry.message.usage.cost) is not None:
        run = run.set_cost((run.cost_usd or 0.0) + float(cost))
    return run.increment_turn()
