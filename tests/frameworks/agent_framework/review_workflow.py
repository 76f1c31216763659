"""
A workflow that one process begins and another finishes.

It is run with a database's URL: a draft is written, reviewed, and waits for a person's
answer. With ``crash`` the process ends like a killed one when the review begins; with
``resume`` it goes on from the latest checkpoint, and answers what stands behind that.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Any, Never

from agent_framework import (
    Executor,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
    response_handler,
)

from asm_async.integrations.agent_framework import AsmCheckpointStorage

NAME = "review"


@dataclass
class Draft:
    """
    What one executor hands to the next.
    """

    text: str


@dataclass
class Question:
    """
    What a person is asked.
    """

    text: str


class Writer(Executor):
    """
    Writes the draft.
    """

    @handler
    async def write(self, topic: str, ctx: WorkflowContext[Draft]) -> None:
        """
        Write about a topic.
        """
        say("written")
        await ctx.send_message(Draft(f"About {topic}"))


class Reviewer(Executor):
    """
    Asks a person for a title.
    """

    def __init__(self, *, crashes: bool) -> None:
        super().__init__(id="reviewer")
        self.crashes = crashes

    @handler
    async def review(self, draft: Draft, ctx: WorkflowContext[Never, str]) -> None:
        """
        Ask what the draft shall be called.
        """
        if self.crashes:
            os._exit(9)
        say("reviewed")
        await ctx.request_info(Question(draft.text), str)

    @response_handler
    async def entitle(
        self, question: Question, title: str, ctx: WorkflowContext[Never, str]
    ) -> None:
        """
        Finish the draft.
        """
        await ctx.yield_output(f"{title}: {question.text}")


def say(*texts: str) -> None:
    """
    Tell the test what happened.
    """
    print(*texts, flush=True)  # noqa: T201 - the test reads it


def storage_over(url: str) -> AsmCheckpointStorage:
    """
    Return where the checkpoints are.
    """
    types = [f"{kind.__module__}:{kind.__qualname__}" for kind in (Draft, Question)]
    return AsmCheckpointStorage.from_url(url, allowed_checkpoint_types=types)


def workflow_over(storage: AsmCheckpointStorage, *, crashes: bool) -> Workflow:
    """
    Build the workflow, the same in each process.
    """
    writer, reviewer = Writer(id="writer"), Reviewer(crashes=crashes)
    builder = WorkflowBuilder(
        name=NAME, start_executor=writer, checkpoint_storage=storage
    )
    return builder.add_edge(writer, reviewer).build()


async def perform(url: str, what: str, *answers: str) -> None:
    """
    Run the workflow from its beginning, or from the latest checkpoint.
    """
    storage = storage_over(url)
    workflow: Any = workflow_over(storage, crashes=what == "crash")
    if what == "crash":
        result = await workflow.run("cats")
    else:
        latest = await storage.get_latest(workflow_name=NAME)
        assert latest is not None
        given = dict.fromkeys(latest.pending_request_info_events, *answers)
        responses = {"responses": given} if answers else {}
        result = await workflow.run(checkpoint_id=latest.checkpoint_id, **responses)
    say(*result.get_outputs())
    await storage.aclose()


if __name__ == "__main__":
    # What is pickled is of this module under its own name.
    from tests.frameworks.agent_framework import review_workflow

    asyncio.run(review_workflow.perform(*sys.argv[1:]))
