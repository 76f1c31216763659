"""
One execution inside a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, cast

import attrs

from asm_async.errors import InvalidTransitionError, ValidationError
from asm_async.values import fields
from asm_async.values.fields import Amount, Count, Text, UTCTime
from asm_async.values.ids import new_run_id
from asm_async.values.json_values import (
    JSONObject,
    JSONValue,
    decoded,
    normalise_json_object,
)
from asm_async.values.stored_value import StoredValue
from asm_async.values.token_usage import TokenUsage, usage_together


class RunStatus(StrEnum):
    """
    The status of a run.

    A run goes pending -> running, and from either it may end; what has ended stays as
    it is.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"

    @property
    def is_over(self) -> bool:
        """
        Whether no other status can follow.
        """
        return self not in {self.PENDING, self.RUNNING}

    def can_become(self, status: RunStatus) -> bool:
        """
        Return whether *status* may follow; every status may follow itself.
        """
        if status is self:
            return True
        return not self.is_over and status is not RunStatus.PENDING


@attrs.frozen(kw_only=True, weakref_slot=False)
class Run(StoredValue):
    """
    One execution inside a session, with its provider, token usage and cost.

    Text fields hold 1 to 255 characters; times are aware and given in UTC; JSON fields
    are copied when the value is made.
    """

    id: Text
    """
    The run's name, unique in its store.
    """

    session_id: Text
    """
    The session it belongs to; a run never changes its session.
    """

    status: RunStatus
    """
    The status.
    """

    input: JSONValue = attrs.field(default=None, hash=False)
    """
    The agent's input: any JSON value.
    """

    output: JSONValue = attrs.field(default=None, hash=False)
    """
    The agent's output: any JSON value.
    """

    error: JSONObject | None = attrs.field(default=None, hash=False)
    """
    Why the run failed: a JSON object.
    """

    metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    Further data of the application about the run.
    """

    turn_count: Count = 0
    """
    How many turns the agent took.
    """

    token_usage: TokenUsage = attrs.field(factory=dict[str, Any], hash=False)
    """
    The tokens that the run consumed.

    Its ``input_tokens``, ``output_tokens`` and ``total_tokens`` are whole numbers from
    0 to 2**53 - 1, which usage summaries add up; other keys are the application's. The
    first two are everything the model read and wrote; where there is no total, they
    make one. Parts of the input are ``cache_read_tokens`` and ``cache_write_tokens``,
    part of the output ``reasoning_tokens``: such counts, too, and no more together than
    what they are parts of. :func:`asm_async.usage.token_usage_of` makes all of them of
    what providers report.
    """

    started_at: UTCTime
    """
    When the run began.
    """

    ended_at: UTCTime | None = None
    """
    When the run ended.
    """

    provider: Text | None = None
    """
    The provider of the model.
    """

    provider_metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    The provider's report; summaries group by its ``model``.
    """

    cost_usd: Amount | None = None
    """
    The cost of the run, in US dollars, at most 10**15; None if unknown.
    """

    revision: Count = 0
    """
    How many times the run was saved; given by the store, 0 before the first time.
    """

    _GIVEN_BY_STORE: ClassVar = ("revision",)

    @classmethod
    def new(
        cls,
        *,
        session_id: str,
        id: str | None = None,  # noqa: A002 - the field's name
        input: Any = None,  # noqa: A002 - the field's name
        metadata: Mapping[str, Any] | None = None,
        provider: str | None = None,
        provider_metadata: Mapping[str, Any] | None = None,
        started_at: datetime | None = None,
    ) -> Run:
        """
        Begin a run: pending, with a new id and the present time unless given.

        Raises:
            ValidationError: Naming the field that is wrong.
        """
        return cls(
            id=new_run_id() if id is None else id,
            session_id=session_id,
            status=RunStatus.PENDING,
            started_at=datetime.now(UTC) if started_at is None else started_at,
            input=input,
            metadata=cast("JSONObject", {} if metadata is None else metadata),
            provider=provider,
            provider_metadata=cast(
                "JSONObject", {} if provider_metadata is None else provider_metadata
            ),
        )

    @property
    def input_tokens(self) -> int:
        """
        The input tokens; 0 if *token_usage* has none.
        """
        return self._tokens("input_tokens")

    @property
    def output_tokens(self) -> int:
        """
        The output tokens; 0 if *token_usage* has none.
        """
        return self._tokens("output_tokens")

    @property
    def total_tokens(self) -> int:
        """
        The total of *token_usage*, or input and output together where it has none.
        """
        if "total_tokens" in self.token_usage:
            return self._tokens("total_tokens")
        return self.input_tokens + self.output_tokens

    @property
    def cache_read_tokens(self) -> int:
        """
        What of the input was read from a cache; 0 if *token_usage* does not say.
        """
        return self._tokens("cache_read_tokens")

    @property
    def cache_write_tokens(self) -> int:
        """
        What of the input was written to a cache; 0 if *token_usage* does not say.
        """
        return self._tokens("cache_write_tokens")

    @property
    def reasoning_tokens(self) -> int:
        """
        What of the output was reasoning; 0 if *token_usage* does not say.
        """
        return self._tokens("reasoning_tokens")

    @property
    def model(self) -> str | None:
        """
        The model's name, if *provider_metadata* has one that is fit to search by.
        """
        try:
            known = decoded(self.provider_metadata)
            return fields.optional(known.get("model"), "model", fields.text)
        except ValidationError:
            return None

    def _tokens(self, name: str) -> int:
        return cast("int", self.token_usage.get(name, 0))

    def update_status(self, status: RunStatus, *, at: datetime | None = None) -> Run:
        """
        Return this run in another status; the same status changes nothing.

        Args:
            status: The new status; a final one sets *ended_at*.

            at: The time of the change, in any zone; now unless given.

        Raises:
            InvalidTransitionError: If :class:`RunStatus` does not allow the change.
        """
        status = fields.choice(status, "status", RunStatus)
        self.check_can_become(status)
        if status is self.status:
            return self
        if not status.is_over:
            return attrs.evolve(self, status=status)
        now = datetime.now(UTC) if at is None else at
        return attrs.evolve(self, status=status, ended_at=now)

    def complete(self, output: Any = None, *, at: datetime | None = None) -> Run:
        """
        Return this run completed, with *output*, any JSON value.

        Args:
            output: The agent's output.

            at: When the run ended, in any zone; now unless given.

        Raises:
            InvalidTransitionError: If the run has ended in another way.
        """
        completed = self.update_status(RunStatus.COMPLETED, at=at)
        return attrs.evolve(completed, output=output)

    def fail(self, error: Mapping[str, Any], *, at: datetime | None = None) -> Run:
        """
        Return this run failed, with *error*, a JSON object.

        Args:
            error: Why it failed.

            at: When the run ended, in any zone; now unless given.

        Raises:
            InvalidTransitionError: If the run has ended in another way.
        """
        failed = self.update_status(RunStatus.FAILED, at=at)
        return attrs.evolve(failed, error=cast("JSONObject", error))

    def set_output(self, output: Any, *, at: datetime | None = None) -> Run:
        """
        Return this run completed, as :meth:`complete` does.
        """
        return self.complete(output, at=at)

    def set_error(self, error: Mapping[str, Any], *, at: datetime | None = None) -> Run:
        """
        Return this run failed, as :meth:`fail` does.
        """
        return self.fail(error, at=at)

    def set_cost(self, usd: float) -> Run:
        """
        Return this run with what it cost, in US dollars, from 0 to 10**15.

        Raises:
            ValidationError: If it is no such amount.
        """
        return attrs.evolve(self, cost_usd=usd)

    def set_provider(self, provider: str, model: str | None = None) -> Run:
        """
        Return this run with another provider, such as one it fell back to.

        Args:
            provider: The present provider of the model, 1 to 255 characters.

            model: The model's name; the present one stays unless it is given.

        Raises:
            ValidationError: Naming the argument that is wrong.
        """
        known: JSONObject = self.provider_metadata
        if model is not None:
            known = {**known, "model": fields.text(model, "model")}
        return attrs.evolve(self, provider=provider, provider_metadata=known)

    def increment_turn(self) -> Run:
        """
        Return this run with one turn more.
        """
        return attrs.evolve(self, turn_count=self.turn_count + 1)

    def update_token_usage(self, usage: Mapping[str, Any]) -> Run:
        """
        Return this run with *usage* added to its own.

        Numbers are summed, also within objects, such as ``input_tokens_details``; None
        adds nothing; what else there is replaces what was there. Where one of both has
        a ``total_tokens`` and the other has none, its total is made of its input and
        output first.

        Raises:
            ValidationError: If a sum is out of bounds, or *usage* is not a JSON object.
        """
        more = normalise_json_object(usage, "usage")
        return attrs.evolve(self, token_usage=usage_together(self.token_usage, more))

    def check_can_become(self, status: RunStatus) -> None:
        """
        Refuse a *status* that may not follow this run's.

        Raises:
            InvalidTransitionError: If :class:`RunStatus` does not allow the change.
        """
        if not self.status.can_become(status):
            raise InvalidTransitionError(
                f"run {self.id!r}", self.status.value, status.value
            )
