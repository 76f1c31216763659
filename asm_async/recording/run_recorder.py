"""
The steps of a run that is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import attrs

from asm_async import conventions
from asm_async.conventions import Content, EventOptions, Role
from asm_async.errors import ValidationError
from asm_async.recording.run_log import RunLog
from asm_async.recording.step_options import (
    AnswerOptions,
    CallOptions,
    MessageOptions,
    ResultOptions,
)
from asm_async.usage import token_usage_of
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.run import Run


class RunRecorder:
    """
    A run that is being recorded, as :func:`record_run` yields it.

    Each method that is awaited is a *step*: its event, and what was changed of the run
    since the last one, are one commit, durable when the call returns. Steps are written
    in the order of the calls, whatever the number of tasks that make them.

    A step that fails without a known outcome, or whose caller is cancelled, may have
    been written. If the next step says the same it is the same one, and adds no second
    event; so repeating a step is safe.

    Every step raises ``LeaseLostError``, and writes nothing, once another process has
    ended the run, such as by :func:`recover_interrupted_runs`, because this process had
    paused for longer than its lease, or a person. It raises ``ValidationError`` for
    what the event cannot hold, ``SessionDeletedError`` if the session was deleted
    meanwhile, and the family of ``StorageError``.

    What *options* has no name for is as in the builder of the event in
    :mod:`asm_async.conventions`.
    """

    def __init__(self, log: RunLog, correlation_id: str | None) -> None:
        self._log = log
        self._correlation_id = correlation_id

    @property
    def run(self) -> Run:
        """
        The run as it is now, with what the next step will write.
        """
        return self._log.run

    @property
    def id(self) -> str:
        """
        The run's id.
        """
        return self._log.run.id

    @property
    def session_id(self) -> str:
        """
        The id of the run's session.
        """
        return self._log.run.session_id

    def set_output(self, output: Any) -> None:
        """
        Set what the agent answered, any JSON value; written with the next step.
        """
        self._log.change(lambda run: attrs.evolve(run, output=output))

    def add_usage(self, usage: object) -> None:
        """
        Add what one request consumed; written with the next step.

        Args:
            usage:
                The provider's report, or counts, as
                :func:`asm_async.usage.token_usage_of` takes them; None adds nothing.

        Raises:
            ValidationError: If it is no report, or a sum is out of bounds.
        """
        counts = token_usage_of(usage, provider=self.run.provider)
        self._log.change(lambda run: run.update_token_usage(counts))

    def set_cost(self, usd: float) -> None:
        """
        Set what the run cost, in US dollars, 0 to 10**15; written with the next step.
        """
        self._log.change(lambda run: run.set_cost(usd))

    def set_provider(self, provider: str, model: str | None = None) -> None:
        """
        Set who runs the model from now on; written with the next step.

        Args:
            provider: The provider, such as one that the run fell back to.

            model: The model's name; the present one stays unless it is given.

        Raises:
            ValidationError: Naming the argument that is wrong.
        """
        self._log.change(lambda run: run.set_provider(provider, model))

    async def append(self, *events: Event) -> list[Event]:
        """
        Record events of any type, all or nothing, with their own ids.

        Args:
            events: At least one, of this session and run; the run may be left out.

        Returns:
            The stored events.

        Raises:
            ValidationError: If one is no event, or is another session's or run's.

            EventConflictError: If an id is stored with other content.
        """
        own = tuple(
            self._own(event, f"events[{index}]") for index, event in enumerate(events)
        )
        if not own:
            raise ValidationError("events: expected at least one")
        return await self._log.append(lambda _: own)

    async def message_sent(
        self,
        content: Content,
        *,
        role: Role | str = Role.USER,
        **options: Unpack[MessageOptions],
    ) -> Event:
        """
        Record a message that goes to the model.

        Args:
            content: Text, or a list of parts, each an object with a ``type``.

            role: The role of the author.

            options: What else it has.
        """
        build = conventions.message_sent
        return await self._step(build, content=content, role=role, **options)

    async def message_received(
        self,
        content: Content | None,
        *,
        role: Role | str = Role.ASSISTANT,
        **options: Unpack[AnswerOptions],
    ) -> Event:
        """
        Record a message of the model, whole; its tool calls are steps of their own.

        Args:
            content: Text, or a list of parts; None if there are only tool calls.

            role: The role of the author.

            options: What else it has.
        """
        build = conventions.message_received
        return await self._step(build, content=content, role=role, **options)

    async def message_streamed(
        self,
        delta: str,
        *,
        message_id: str | None = None,
        **options: Unpack[EventOptions],
    ) -> Event:
        """
        Record a piece of a message's text; the whole message follows as received.
        """
        build = conventions.message_streamed
        return await self._step(build, delta=delta, message_id=message_id, **options)

    async def tool_call_started(
        self,
        tool_call_id: str,
        tool_name: str,
        tool_input: Mapping[str, Any] | str | None = None,
        **options: Unpack[CallOptions],
    ) -> Event:
        """
        Record that a tool is called, before it is.

        Args:
            tool_call_id: The model's id of the call; its result has the same.

            tool_name: Which tool.

            tool_input: The arguments; text where the model wrote no JSON object.

            options: What else the call has.
        """
        return await self._step(
            conventions.tool_call_started,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            tool_input=tool_input,
            **options,
        )

    async def tool_call_completed(
        self,
        tool_call_id: str,
        tool_name: str,
        tool_output: Any,
        **options: Unpack[ResultOptions],
    ) -> Event:
        """
        Record the result of a tool call, any JSON value.
        """
        return await self._step(
            conventions.tool_call_completed,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            tool_output=tool_output,
            **options,
        )

    async def tool_call_failed(
        self,
        tool_call_id: str,
        tool_name: str,
        error_message: str,
        *,
        error_code: str | None = None,
        tool_output: Any = None,
        **options: Unpack[ResultOptions],
    ) -> Event:
        """
        Record that a tool call failed.

        *tool_output* is the text for the model, if that differs from *error_message*.
        """
        return await self._step(
            conventions.tool_call_failed,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            error_message=error_message,
            error_code=error_code,
            tool_output=tool_output,
            **options,
        )

    async def tool_approval_requested(
        self,
        tool_call_id: str,
        tool_name: str,
        tool_input: Mapping[str, Any] | str | None = None,
        *,
        reason: str | None = None,
        policy_name: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Event:
        """
        Record that a person was asked to allow a tool call.
        """
        return await self._step(
            conventions.tool_approval_requested,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            tool_input=tool_input,
            reason=reason,
            policy_name=policy_name,
            **options,
        )

    async def tool_approval_granted(
        self,
        tool_call_id: str,
        tool_name: str,
        *,
        decided_by: str | None = None,
        **options: Unpack[EventOptions],
    ) -> Event:
        """
        Record that a tool call was allowed, by *decided_by*.
        """
        return await self._step(
            conventions.tool_approval_granted,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            decided_by=decided_by,
            **options,
        )

    async def tool_approval_denied(
        self,
        tool_call_id: str,
        tool_name: str,
        *,
        decided_by: str | None = None,
        reason: str | None = None,
        **options: Unpack[EventOptions],
    ) -> Event:
        """
        Record that a tool call was refused, by *decided_by*.

        The transcript has *reason* for the model.
        """
        return await self._step(
            conventions.tool_approval_denied,
            tool_call_id=tool_call_id,
            tool_name=tool_name,
            decided_by=decided_by,
            reason=reason,
            **options,
        )

    async def error_occurred(
        self,
        error_message: str,
        *,
        error_code: str | None = None,
        details: Mapping[str, Any] | None = None,
        **options: Unpack[EventOptions],
    ) -> Event:
        """
        Record that something went wrong, and the run goes on.
        """
        return await self._step(
            conventions.error_occurred,
            error_message=error_message,
            error_code=error_code,
            details=details,
            **options,
        )

    async def turn_completed(
        self,
        turn: int | None = None,
        *,
        stop_reason: str | None = None,
        **options: Unpack[EventOptions],
    ) -> Event:
        """
        Record that a turn of the agent has ended, and count it in the run.

        Args:
            turn: Which turn of the run, if that is to be said.

            stop_reason: Why the model stopped, in the provider's word.

            options: What every event has.
        """
        return await self._step(
            conventions.turn_completed,
            Run.increment_turn,
            turn=turn,
            stop_reason=stop_reason,
            **options,
        )

    async def _step(
        self,
        build: Callable[..., Event],
        change: Callable[[Run], Run] | None = None,
        **members: Any,
    ) -> Event:
        members.setdefault("provider", self.run.provider)
        members.setdefault("correlation_id", self._correlation_id)

        def make(event_id: str) -> Sequence[Event]:
            named = {"id": event_id, **members}
            return (build(session_id=self.session_id, run_id=self.id, **named),)

        (stored,) = await self._log.append(make, change)
        return stored

    def _own(self, event: object, name: str) -> Event:
        event = fields.instance(event, name, Event)
        if event.session_id != self.session_id:
            raise ValidationError(
                f"{name}.session_id: expected {self.session_id!r},"
                f" got {event.session_id!r}"
            )
        if event.run_id is None:
            return attrs.evolve(event, run_id=self.id)
        if event.run_id != self.id:
            raise ValidationError(
                f"{name}.run_id: expected {self.id!r}, got {event.run_id!r}"
            )
        return event
