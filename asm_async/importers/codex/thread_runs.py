"""
The runs of a thread: one for each turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from asm_async.conventions import (
    EventOptions,
    run_cancelled,
    run_completed,
    run_failed,
    run_started,
    token_usage_updated,
)
from asm_async.importers.codex.thread import Thread
from asm_async.importers.names import run_id_of
from asm_async.recording.endings import INTERRUPTED
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus

_NO_END = "the next turn began, and nothing has told the end of this one"


class ThreadRuns:
    """
    The turn that goes on in a thread, and the latest one that is over.

    Args:
        kind: The kind of source.

        thread: The thread.
    """

    def __init__(self, kind: str, thread: Thread) -> None:
        self.run: Run | None = None
        """
        The latest turn.
        """
        self._kind = kind
        self._session_id = thread.session.id
        self._thread_id = thread.id
        self._provider = thread.provider
        self._model: str | None = None
        self._changed: list[Run] = []

    @property
    def is_open(self) -> bool:
        """
        Whether a turn goes on.
        """
        return self.run is not None and not self.run.status.is_over

    @property
    def run_id(self) -> str | None:
        """
        The run that events are of now.
        """
        return self.run.id if self.run is not None and self.is_open else None

    def take_changed(self) -> tuple[Run, ...]:
        """
        Return the turns that have ended, or were counted after their end, since.
        """
        changed, self._changed = tuple(self._changed), []
        return changed

    def use_model(self, model: str) -> None:
        """
        Take the model of this turn, and of those that follow.
        """
        if not model:
            return
        self._model = model
        if self.run is not None and self.is_open:
            self.run = self.run.set_provider(self._provider, model)

    def begin(self, name: str, options: EventOptions, time: datetime) -> Event:
        """
        Begin a turn, and return the event of that.
        """
        self.run = Run.new(
            session_id=self._session_id,
            id=run_id_of(self._kind, self._thread_id, name),
            provider=self._provider,
            provider_metadata={"model": self._model} if self._model else None,
            started_at=time,
        ).update_status(RunStatus.RUNNING)
        return run_started(
            session_id=self._session_id,
            model=self._model,
            **self._own(options, time),
        )

    def ask(self, prompt: str) -> None:
        """
        Take what the turn was begun with.
        """
        if self.run is not None and self.is_open and self.run.input is None:
            self.run = attrs.evolve(self.run, input=prompt)

    def use_tokens(
        self, usage: Mapping[str, int], options: EventOptions, time: datetime
    ) -> Event:
        """
        Count a request, and return the event of that; it may come after the turn.
        """
        if self.run is not None:
            self.run = self.run.update_token_usage(usage).increment_turn()
            if not self.is_open:
                self._changed.append(self.run)
        return token_usage_updated(
            session_id=self._session_id,
            model=self._model,
            **usage,
            **self._own(options, time),
        )

    def complete(self, output: Any, options: EventOptions, time: datetime) -> Event:
        """
        End the turn well.
        """
        event = run_completed(
            session_id=self._session_id, output=output, **self._own(options, time)
        )
        self._end(lambda run: run.complete(output, at=time))
        return event

    def cancel(self, reason: str, options: EventOptions, time: datetime) -> Event:
        """
        End the turn as one that was stopped.
        """
        event = run_cancelled(
            session_id=self._session_id, reason=reason, **self._own(options, time)
        )
        self._end(lambda run: run.update_status(RunStatus.CANCELLED, at=time))
        return event

    def fail(
        self, code: str, message: str, options: EventOptions, time: datetime
    ) -> Event:
        """
        End the turn as one that went wrong.
        """
        event = run_failed(
            session_id=self._session_id,
            error_message=message,
            error_code=code,
            **self._own(options, time),
        )
        self._end(lambda run: run.fail({"code": code, "message": message}, at=time))
        return event

    def interrupt(self, options: EventOptions, time: datetime) -> Event:
        """
        End a turn of which nobody has told the end.
        """
        return self.fail(INTERRUPTED, _NO_END, options, time)

    def _end(self, change: Callable[[Run], Run]) -> None:
        if self.run is not None and self.is_open:
            self.run = change(self.run)
            self._changed.append(self.run)

    def _own(self, options: EventOptions, time: datetime) -> EventOptions:
        run_id = None if self.run is None else self.run.id
        return {
            **options,
            "timestamp": time,
            "run_id": run_id,
            "provider": self._provider,
        }
