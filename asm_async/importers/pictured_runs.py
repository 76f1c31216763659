"""
The runs of a conversation: one for each prompt and what answers it.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from asm_async.conventions import run_completed, run_started
from asm_async.importers.conversation import Conversation, Speaker, Step
from asm_async.importers.names import run_id_of
from asm_async.importers.pictured_steps import event_ids_of
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus


class ConversationRuns:
    """
    Makes the runs of a conversation while its steps go by.

    Args:
        kind: The kind of source.

        conversation: The conversation.
    """

    def __init__(self, kind: str, conversation: Conversation) -> None:
        self._kind = kind
        self._session_id = conversation.session.id
        self._provider = conversation.provider
        self.run: Run | None = None
        """
        The run that goes on; it waits until the model says something.
        """
        self._output: str | None = None

    def take(self, step: Step, name: str, time: datetime) -> tuple[Event, ...]:
        """
        Take the next step.

        Returns:
            The event of the run that it begins, if it does.
        """
        begins = self.run is None and step.speaker is not Speaker.OTHER
        if begins:
            self.run = Run.new(
                session_id=self._session_id,
                id=run_id_of(self._kind, name),
                provider=self._provider,
                started_at=time,
            )
            self._output = None
        if self.run is not None:
            self.run = self._with(self.run, step)
        return (self._started(name, time),) if begins else ()

    def end(self, name: str, time: datetime) -> tuple[Run, Event] | None:
        """
        End the run, and return it with the event of that.
        """
        if self.run is None:
            return None
        run, self.run = self.run.complete(self._output, at=time), None
        event = run_completed(
            session_id=self._session_id,
            id=f"{event_ids_of(self._kind, name)}1",
            run_id=run.id,
            provider=self._provider,
            timestamp=time,
            output=run.output,
            token_usage=run.token_usage or None,
            cost_usd=run.cost_usd,
        )
        return run, event

    def _with(self, run: Run, step: Step) -> Run:
        if step.speaker is Speaker.PROMPT and step.text is not None:
            texts = [run.input, step.text] if run.input else [step.text]
            run = attrs.evolve(run, input="\n\n".join(texts))
        if step.speaker in {Speaker.ANSWER, Speaker.CALL}:
            run = run.update_status(RunStatus.RUNNING).increment_turn()
            self._output = step.text or self._output
        if step.model:
            run = run.set_provider(self._provider, step.model)
        if step.usage:
            run = run.update_token_usage(step.usage)
        if step.cost_usd is not None:
            run = run.set_cost((run.cost_usd or 0.0) + step.cost_usd)
        return run

    def _started(self, name: str, time: datetime) -> Event:
        run_id = None if self.run is None else self.run.id
        return run_started(
            session_id=self._session_id,
            id=f"{event_ids_of(self._kind, name)}start",
            run_id=run_id,
            provider=self._provider,
            timestamp=time,
        )
