"""
What the framework's own store in memory answers, ours answers.
"""

from __future__ import annotations

import os
from collections import Counter

from pydantic_ai.conversation_store import InMemoryConversationStore

from asm_async import Ports
from asm_async.integrations.pydantic_ai import AsmConversationStore
from tests.frameworks.pydantic_ai.sequences import Steps, TwinStore

SEQUENCES = int(os.environ.get("PYDANTIC_AI_SEQUENCES", "60"))
FIRST = int(os.environ.get("PYDANTIC_AI_FIRST_SEQUENCE", "0"))


async def test_random_sequences_are_equal_to_the_frameworks_store(
    ports: Ports,
) -> None:
    """
    Every answer and every refusal of random sequences is that of the reference.
    """
    outcomes: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEQUENCES):
        # What others have done is not listed, and their ids are others.
        ours = AsmConversationStore(ports, agent_id=f"sequence {seed}")
        steps = Steps(TwinStore(InMemoryConversationStore(), ours), seed)
        try:
            await steps.run(20)
        except BaseException as error:
            error.add_note(f"seed {seed}: {steps.outcomes}")
            raise
        outcomes.update(steps.outcomes)

    assert {"fork ", "delete ", "branch ", "point_elsewhere "} <= outcomes.keys()
