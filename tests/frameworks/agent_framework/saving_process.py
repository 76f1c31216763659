"""
A process that saves until it is killed, and prints what was acknowledged.

It is run with a database's URL and a name. Each line that it prints stands for a batch
of three messages, and for a checkpoint whose id stays the same, while its time, content
and workflow change.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from agent_framework import Content, Message, WorkflowCheckpoint

from asm_async import open_ports
from asm_async.integrations.agent_framework import (
    AsmCheckpointStorage,
    AsmHistoryProvider,
)

BEGIN = datetime(2026, 8, 7, tzinfo=UTC)


def batch(name: str, number: int) -> list[Message]:
    """
    Make the messages of one save: seven events.
    """
    call_id = f"{name}-{number}"
    call = Content.from_function_call(call_id, "look_up", arguments="{}")
    return [
        Message("user", [f"{call_id} question"]),
        Message("assistant", [f"{call_id} looking", call]),
        Message("tool", [Content.from_function_result(call_id, result="found")]),
    ]


def checkpoint(name: str, number: int) -> WorkflowCheckpoint:
    """
    Make a state of the one checkpoint, later than the former, of one of two workflows.
    """
    return WorkflowCheckpoint(
        workflow_name=f"{name}-{number % 2}",
        graph_signature_hash="h",
        checkpoint_id=name,
        timestamp=(BEGIN + timedelta(seconds=number)).isoformat(),
        iteration_count=number,
        state={"text": f"{number}" * 1_000},
    )


async def save(url: str, name: str) -> None:
    """
    Save one after the other.
    """
    async with open_ports(url) as ports:
        history = AsmHistoryProvider(ports)
        storage = AsmCheckpointStorage(ports)
        number = 0
        while True:
            await history.save_messages("shared", batch(name, number))
            await storage.save(checkpoint(name, number))
            print(number, flush=True)  # noqa: T201 - the test reads it
            number += 1


if __name__ == "__main__":
    asyncio.run(save(*sys.argv[1:]))
