"""
Invocations of a graph as runs.
"""

from __future__ import annotations

from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.langgraph.branches import Branch
from asm_async.importers.langgraph.checkpoints import Checkpoint
from asm_async.importers.langgraph.messages import Message
from asm_async.importers.names import run_id_of
from asm_async.values.run import Run, RunStatus

_KIND = "langgraph"
_RUN = "run_id"
_STEP = "step"


@attrs.define(eq=False)
class Invocations:
    """
    Makes runs of the checkpoints of a thread.

    A run begins with a checkpoint of an input, with another ``run_id`` in a
    checkpoint's metadata, and behind an error. A message counts once in a thread, on
    however many branches it stands, and in however many of its graphs.
    """

    _counted: set[str] = attrs.field(factory=set[str])

    def enter(self, branch: Branch, checkpoint: Checkpoint, thread: str) -> None:
        """
        Go on with the run of a branch, or begin another.
        """
        named = checkpoint.metadata.get(_RUN)
        run = branch.run
        is_next = (
            run is None
            or checkpoint.metadata.get("source") == "input"
            or run.status is RunStatus.FAILED
            or run.metadata.get(_RUN) != named
        )
        if run is None or is_next:
            run = Run.new(
                id=run_id_of(_KIND, thread, checkpoint.namespace, checkpoint.id),
                session_id=branch.session.id,
                started_at=checkpoint.at,
                metadata={} if named is None else {_RUN: str(named)},
            )
        step: Any = checkpoint.metadata.get(_STEP)
        done = run.complete(run.output, at=checkpoint.at)
        branch.run = attrs.evolve(
            done,
            ended_at=max(checkpoint.at, run.started_at),
            turn_count=run.turn_count + (isinstance(step, int) and step > 0),
        )

    def pass_over(self, name: str) -> None:
        """
        Leave out a message that was counted by an import before.
        """
        self._counted.add(name)

    def count(self, branch: Branch, message: Message, name: str) -> None:
        """
        Take what a message says of the run: its input, its output and its tokens.

        Args:
            branch: The branch on which it is new.

            message: The message.

            name: What tells it from the others of the thread.
        """
        run = branch.run
        if run is None or name in self._counted:
            return
        self._counted.add(name)
        content = message.members.get("content")
        if message.kind == "human" and run.input is None:
            run = attrs.evolve(run, input=content)
        if message.kind == "ai":
            run = _with_usage(run, message)
            run = run if message.calls else attrs.evolve(run, output=content)
        branch.run = run

    def fail(self, branch: Branch, message: str) -> None:
        """
        End the run of a branch with an error.
        """
        if branch.run is not None:
            error = {"error_message": message}
            branch.run = attrs.evolve(branch.run, status=RunStatus.FAILED, error=error)


def _with_usage(run: Run, message: Message) -> Run:
    try:
        usage = message.usage
    except ValidationError:
        # A report that makes no sense is kept in the event, and not counted.
        return run
    if usage:
        run = run.update_token_usage(usage)
    if message.provider:
        run = attrs.evolve(run, provider=message.provider)
    if message.model:
        known = {**run.provider_metadata, "model": message.model}
        run = attrs.evolve(run, provider_metadata=known)
    return run
