"""
Makes spans and measurements of what ports do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter, time_ns
from typing import Any, NamedTuple, TypeVar

import attrs
from opentelemetry import context as otel_context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from asm_async.errors import ConflictError
from asm_async.fronts.observing import StepObserver
from asm_async.integrations.opentelemetry.attributes import (
    DB_NAMESPACE,
    DB_OPERATION_BATCH_SIZE,
    DB_OPERATION_NAME,
    ERROR_TYPE,
    SESSION_ID,
    WAIT_DURATION,
    Attributes,
    error_type,
    session_id_of,
)
from asm_async.integrations.opentelemetry.instruments import Instruments
from asm_async.integrations.opentelemetry.providers import Providers
from asm_async.integrations.opentelemetry.run_spans import RunSpan
from asm_async.integrations.opentelemetry.standing import Standing
from asm_async.values.run import Run

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

# They raise what another call has raised before, within them.
_MADE_OF_OTHERS = frozenset({"update_session", "update_run"})


class _Mark(NamedTuple):
    """
    The span of a write, and when it was submitted.
    """

    span: Span
    at: float


@attrs.frozen(eq=False)
class _Operation:
    """
    What all calls of one method have in common.
    """

    span_name: str
    attributes: Attributes


class TelemetryObserver:
    """
    An :class:`~asm_async.fronts.observing.Observer` that tells OpenTelemetry.

    Whatever a tracer, a meter or a processor raises reaches no caller: it is logged
    once, and the call goes on.

    Args:
        tracer: Makes the spans.

        instruments: Measure.

        providers: Whether there is anybody to tell.

        database: The attributes of the database.

        kind: The kind of the calls' spans.

        standing: What is measured when metrics are collected.
    """

    def __init__(
        self,
        *,
        tracer: Tracer,
        instruments: Instruments,
        providers: Providers,
        database: Attributes,
        kind: SpanKind,
        standing: Standing,
    ) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._providers = providers
        self._database = database
        self._kind = kind
        self._standing = standing
        self._operations: dict[str, _Operation] = {}
        self._has_failed = False
        instruments.measured.add(standing)

    def close(self) -> None:
        """
        Measure nothing more when metrics are collected.
        """
        self._instruments.measured.discard(self._standing)
        self._standing.close()

    def is_awake(self) -> bool:
        """
        Return whether there is a provider, of spans or of metrics.
        """
        return self._providers.look()

    async def call(
        self,
        operation: str,
        arguments: tuple[Any, ...],
        options: Mapping[str, Any],
        answer: Coroutine[Any, Any, T],
    ) -> T:
        """
        Await *answer* within a span of its own, and measure how long it takes.
        """
        standing = self._standing
        if standing.loop is None:
            standing.loop = asyncio.get_running_loop()
        if standing.is_own_call():
            return await answer
        common = self._operations.get(operation) or self._operation(operation)
        span, token = self._begin(common, operation, arguments, options)
        begun_at = perf_counter()
        try:
            result = await answer
        except BaseException as error:
            self._end(common, span, perf_counter() - begun_at, error)
            raise
        else:
            self._end(common, span, perf_counter() - begun_at, None)
            return result
        finally:
            if token is not None:
                otel_context.detach(token)

    def note_submitted(self) -> object:
        """
        Return the span of the call whose write is submitted, and the time.
        """
        span = get_current_span() if self._providers.traces else INVALID_SPAN
        return _Mark(span, perf_counter())

    def note_transaction(
        self, marks: Sequence[object], seconds: float, error: Exception | None
    ) -> None:
        """
        Measure a transaction, and make a span of one that several writes have shared.
        """
        own = [mark for mark in marks if isinstance(mark, _Mark)]
        if not own:
            return
        begun_at = perf_counter() - seconds
        try:
            if error is None and self._providers.measures:
                first = min([mark.at for mark in own])
                longest = max(begun_at - first, 0.0)
                self._instruments.longest_wait.record(longest, self._database)
                self._instruments.group_size.record(len(own), self._database)
            if len(own) > 1:
                self._make_transaction_span(own, seconds, error)
            elif (span := own[0].span).is_recording():
                span.set_attribute(WAIT_DURATION, max(begun_at - own[0].at, 0.0))
        except Exception as failure:  # noqa: BLE001 - whatever the application's provider raises
            self._note_failure(failure)

    def note_events(self, appended: int, duplicates: int) -> None:
        """
        Count events that were stored, and that were stored already.
        """
        try:
            if appended:
                self._instruments.events.add(appended, self._database)
            if duplicates:
                self._instruments.duplicates.add(duplicates, self._database)
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)

    def note_retry(self, error: Exception) -> None:
        """
        Count what is tried again, by the error's code.
        """
        attributes = {**self._database, ERROR_TYPE: error_type(error)}
        try:
            self._instruments.retries.add(1, attributes)
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)

    @contextmanager
    def run(
        self, agent_id: str | None, present: Callable[[], Run]
    ) -> Generator[StepObserver | None]:
        """
        Enclose a run in a span by the conventions for generative AI.
        """
        span = RunSpan(self._tracer, agent_id, present, self._note_failure)
        span.begin()
        try:
            yield span.note_step
        except BaseException as error:
            span.end(error)
            raise
        else:
            span.end(None)

    def _operation(self, name: str) -> _Operation:
        namespace = self._database.get(DB_NAMESPACE)
        span_name = name if namespace is None else f"{name} {namespace}"
        made = _Operation(span_name, {**self._database, DB_OPERATION_NAME: name})
        return self._operations.setdefault(name, made)

    def _begin(
        self,
        common: _Operation,
        operation: str,
        arguments: tuple[Any, ...],
        options: Mapping[str, Any],
    ) -> tuple[Span, Any]:
        attributes = common.attributes
        span: Span = INVALID_SPAN
        if not self._providers.traces:
            return span, None
        try:
            session_id = session_id_of(operation, arguments, options)
            if session_id is not None:
                attributes = {**attributes, SESSION_ID: session_id}
            span = self._tracer.start_span(
                common.span_name, kind=self._kind, attributes=attributes
            )
            # What is not sampled is a context all the same: no child begins a trace.
            if span.get_span_context().is_valid:
                return span, otel_context.attach(set_span_in_context(span))
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)
        return span, None

    def _end(
        self,
        common: _Operation,
        span: Span,
        seconds: float,
        error: BaseException | None,
    ) -> None:
        try:
            if error is not None:
                _set_error(span, error)
            span.end()
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)
        if not self._providers.measures:
            return
        attributes = common.attributes
        try:
            if error is not None:
                attributes = {**attributes, ERROR_TYPE: error_type(error)}
                is_first = attributes[DB_OPERATION_NAME] not in _MADE_OF_OTHERS
                if isinstance(error, ConflictError) and is_first:
                    self._instruments.conflicts.add(1, attributes)
            self._instruments.call_duration.record(seconds, attributes)
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)

    def _make_transaction_span(
        self, marks: Sequence[_Mark], seconds: float, error: Exception | None
    ) -> None:
        """
        Make the span of a transaction that has ended, with links to its writes.

        It is a child of the first of those that are recorded, so that one decision of
        the sampler's holds for both.
        """
        spans = [mark.span for mark in marks if mark.span.is_recording()]
        if not spans:
            return
        end = time_ns()
        common = self._operation("transaction")
        span = self._tracer.start_span(
            common.span_name,
            context=set_span_in_context(spans[0]),
            kind=self._kind,
            attributes={**common.attributes, DB_OPERATION_BATCH_SIZE: len(marks)},
            links=[Link(each.get_span_context()) for each in spans],
            start_time=end - int(seconds * 1e9),
        )
        if error is not None:
            _set_error(span, error)
        span.end(end)

    def _note_failure(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            _LOG.warning("calls go on, and telemetry does not: %r", error)


def _set_error(span: Span, error: BaseException) -> None:
    # Neither its text nor its traceback, which may hold what was to be stored.
    span.set_attribute(ERROR_TYPE, error_type(error))
    span.set_status(Status(StatusCode.ERROR))
