"""
The span of a run that is recorded, and those of the tools that it calls.

They follow the semantic conventions for generative AI, which are still in development.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import time_ns
from types import MappingProxyType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)

from asm_async.integrations.opentelemetry.attributes import (
    ERROR_TYPE,
    Attributes,
    error_type,
)
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run

RUN_ID = "asm_async.run.id"

_OPERATION_NAME = "gen_ai.operation.name"
_USAGE: Mapping[str, str] = MappingProxyType(
    {
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
        "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    }
)

# What the conventions call providers that go by other names; others keep theirs.
_PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "azure": "azure.ai.openai",
        "bedrock": "aws.bedrock",
        "gemini": "gcp.gemini",
        "google": "gcp.gen_ai",
        "mistral": "mistral_ai",
        "vertexai": "gcp.vertex_ai",
        "xai": "x_ai",
    }
)
_TOOL_ENDS = frozenset({EventType.TOOL_CALL_COMPLETED, EventType.TOOL_CALL_FAILED})


class RunSpan:
    """
    The span of one run; while it lasts, what is called is within it.

    Args:
        tracer: Makes the spans.

        agent_id: The agent's, where it is known.

        present: Returns the run as it is at the time.

        note_failure: Called where a tracer or a processor raises something.
    """

    def __init__(
        self,
        tracer: Tracer,
        agent_id: str | None,
        present: Callable[[], Run],
        note_failure: Callable[[Exception], None],
    ) -> None:
        self._tracer = tracer
        self._agent_id = agent_id
        self._present = present
        self._note_failure = note_failure
        self._span: Span = INVALID_SPAN
        self._token: Any = None
        # When each call of a tool began that has not ended.
        self._tools: dict[str, int] = {}

    def begin(self) -> None:
        """
        Begin it, as what is called from now on is within.
        """
        run = self._present()
        attributes: Attributes = {
            _OPERATION_NAME: "invoke_agent",
            "gen_ai.conversation.id": run.session_id,
            RUN_ID: run.id,
            **self._of_agent(),
            **_of_model(run),
        }
        try:
            self._span = self._tracer.start_span(
                " ".join(filter(None, ("invoke_agent", self._agent_id))),
                kind=SpanKind.INTERNAL,
                attributes=attributes,
            )
            if self._span.get_span_context().is_valid:
                context = set_span_in_context(self._span)
                self._token = otel_context.attach(context)
        except Exception as failure:  # noqa: BLE001 - whatever the application's provider raises
            self._note_failure(failure)

    def end(self, error: BaseException | None) -> None:
        """
        End it with what is known of the run now.
        """
        run = self._present()
        try:
            if self._span.is_recording():
                self._span.set_attributes(_of_model(run) | _of_usage(run))
                if error is not None:
                    self._span.set_attribute(ERROR_TYPE, error_type(error))
                    self._span.set_status(Status(StatusCode.ERROR))
            self._span.end()
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)
        if self._token is not None:
            otel_context.detach(self._token)

    def note_step(self, events: Sequence[Event]) -> None:
        """
        Note calls of tools that begin, and make spans of those that have ended.
        """
        if not self._span.is_recording():
            return
        for event in events:
            call_id = event.data.get("tool_call_id")
            if not isinstance(call_id, str):
                continue
            if event.type == EventType.TOOL_CALL_STARTED:
                self._tools[call_id] = time_ns()
            elif event.type in _TOOL_ENDS and call_id in self._tools:
                self._make_tool_span(event, call_id, self._tools.pop(call_id))

    def _make_tool_span(self, event: Event, call_id: str, begun_at: int) -> None:
        name = event.data.get("tool_name")
        attributes: Attributes = {
            _OPERATION_NAME: "execute_tool",
            "gen_ai.tool.call.id": call_id,
        }
        if isinstance(name, str):
            attributes["gen_ai.tool.name"] = name
        try:
            span = self._tracer.start_span(
                f"execute_tool {name}" if isinstance(name, str) else "execute_tool",
                context=set_span_in_context(self._span),
                kind=SpanKind.INTERNAL,
                attributes=attributes | self._of_agent(),
                start_time=begun_at,
            )
            if event.type == EventType.TOOL_CALL_FAILED:
                span.set_attribute(ERROR_TYPE, str(event.type))
                span.set_status(Status(StatusCode.ERROR))
            span.end()
        except Exception as failure:  # noqa: BLE001 - the same
            self._note_failure(failure)

    def _of_agent(self) -> Attributes:
        if self._agent_id is None:
            return {}
        return {"gen_ai.agent.id": self._agent_id, "gen_ai.agent.name": self._agent_id}


def _of_model(run: Run) -> Attributes:
    found: Attributes = {}
    if run.provider is not None:
        found["gen_ai.provider.name"] = _PROVIDERS.get(run.provider, run.provider)
    if run.model is not None:
        found["gen_ai.request.model"] = run.model
    return found


def _of_usage(run: Run) -> Attributes:
    counts = {name: run.token_usage.get(key) for key, name in _USAGE.items()}
    return {name: count for name, count in counts.items() if isinstance(count, int)}
