"""
What the framework's own store in memory answers, ours answers.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import pytest
from pydantic_ai.conversation_store import InMemoryConversationStore

from asm_async import InMemoryPorts, Ports
from asm_async.integrations.pydantic_ai import AsmConversationStore
from tests.frameworks.pydantic_ai.sequences import Steps, TwinStore

# All of them, once: PYDANTIC_AI_SEQUENCES=10000.
SEQUENCES = int(os.environ.get("PYDANTIC_AI_SEQUENCES", "60"))
FIRST = int(os.environ.get("PYDANTIC_AI_FIRST_SEQUENCE", "0"))
AT_ONCE = 8


@pytest.mark.timeout(120 + SEQUENCES)
async def test_random_sequences_are_equal_to_the_frameworks_store(
    ports: Ports,
) -> None:
    """
    Every answer and every refusal of random sequences is that of the reference.
    """
    outcomes: Counter[str] = Counter()
    seeds = iter(range(FIRST, FIRST + SEQUENCES))

    async def work() -> None:
        for seed in seeds:
            # What others have done is not listed, and their ids are others.
            ours = AsmConversationStore(ports, agent_id=f"sequence {seed}")
            steps = Steps(TwinStore(InMemoryConversationStore(), ours), seed)
            try:
                await steps.run(20)
            except BaseException as error:
                error.add_note(f"seed {seed}: {steps.outcomes}")
                raise
            outcomes.update(steps.outcomes)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())

    done = {name for name in outcomes if not name.endswith("refused")}
    assert {"begin", "branch", "delete", "fork", "point_elsewhere"} <= done


async def test_what_was_deleted_leaves_nothing() -> None:
    """
    After random sequences, and the deletion of what is left, no state item is there.
    """
    async with InMemoryPorts() as ports:
        for seed in range(40):
            ours = AsmConversationStore(ports)
            steps = Steps(TwinStore(InMemoryConversationStore(), ours), seed)
            await steps.run(20)
            for record in await ours.list_conversations():
                await ours.delete(record.conversation_id)

        # No port lists the items of all scopes.
        store: Any = ports.store
        assert store._access.database.items._scopes == {}
