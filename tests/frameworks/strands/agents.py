"""
Agents that say what they were told to say, and snapshots without agents.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

from strands import Agent
from strands.models import Model
from strands.session import SnapshotSessionManager

from asm_async.integrations.strands import AsmStorage

LATEST = "session/{}/scopes/agent/default/snapshots/snapshot_latest.json"


class ToldModel(Model):
    """
    A model that says one text after the other, and how many tokens that took.
    """

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)

    def update_config(self, **_: Any) -> None:
        """
        Do nothing: there is no configuration.
        """

    def get_config(self) -> dict[str, Any]:
        """
        Return that there is no configuration.
        """
        return {"context_window_limit": 10_000}

    async def structured_output(self, *_: Any, **__: Any) -> AsyncGenerator[Any]:
        """
        Say nothing of the kind.
        """
        yield {"output": None}

    async def stream(self, *_: Any, **__: Any) -> AsyncGenerator[Any]:
        """
        Say the next text.
        """
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockDelta": {"delta": {"text": next(self._texts)}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}
        usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}}


def make_agent(
    storage: AsmStorage, session_id: str, *texts: str, **options: Any
) -> Agent:
    """
    Return an agent whose session is kept in a storage.
    """
    manager = SnapshotSessionManager(session_id, storage=storage, **options)
    return Agent(
        model=ToldModel(*texts), session_manager=manager, callback_handler=None
    )


def message(
    text: str, role: str = "user", *, name: str | None = None
) -> dict[str, Any]:
    """
    Return a message of Strands.
    """
    return blocks({"text": text}, role=role, name=name)


def blocks(
    *content: dict[str, Any], role: str = "user", name: str | None = None
) -> dict[str, Any]:
    """
    Return a message of Strands with these blocks.
    """
    return {
        "role": role,
        "content": list(content),
        "tracking_id": name or str(uuid.uuid4()),
    }


def snapshot(messages: Sequence[dict[str, Any]]) -> bytes:
    """
    Return the bytes of a snapshot with these messages.
    """
    return json.dumps(
        {
            "scope": "agent",
            "schema_version": "1.0",
            "created_at": datetime.now(UTC).isoformat(),
            "data": {"messages": list(messages), "state": {}},
            "app_data": {},
        }
    ).encode()
