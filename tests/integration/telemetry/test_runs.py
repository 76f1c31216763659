"""
The spans of runs that are recorded, and of the tools that they call.
"""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from asm_async import Ports
from asm_async.recording import record_run
from asm_async.redaction import RedactingSessionStore
from asm_async.testing.factories import make_session
from asm_async.values.redaction import RedactionPolicy
from tests.integration.telemetry.conftest import Telemetry, span_id

WORDS = "what the agent said to nobody else"


async def test_a_run_is_a_span_of_its_agent(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    By the conventions for generative AI; it encloses what is called meanwhile.
    """
    tracer = telemetry.tracer_provider.get_tracer("the application")
    async with record_run(
        observed.store,
        make_session(),
        input=WORDS,
        provider="bedrock",
        model="small",
        run_id="run_1",
    ) as run:
        await run.message_sent(WORDS)
        with tracer.start_as_current_span("chat small"):
            pass
        run.add_usage({"input_tokens": 30, "output_tokens": 4, "cache_read_tokens": 20})
        run.set_provider("bedrock", "large")
        await run.message_received(WORDS)
        run.set_output(WORDS)

    span = telemetry.span("invoke_agent")
    assert span.name == "invoke_agent assistant"
    assert span.kind is SpanKind.INTERNAL
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": "ses_1",
        "gen_ai.agent.id": "assistant",
        "gen_ai.agent.name": "assistant",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": "large",
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "asm_async.run.id": "run_1",
    }
    assert span.status.is_ok
    own = span_id(span)
    for child in [*telemetry.spans("commit"), telemetry.span("chat")]:
        assert child.parent is not None
        assert child.parent.span_id == own
    assert not trace.get_current_span().get_span_context().is_valid
    assert WORDS not in "".join(each.to_json() for each in telemetry.spans())


async def test_a_run_that_fails_has_the_type_of_its_error(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    What it says is kept in the run alone.
    """
    with pytest.raises(LookupError):
        async with record_run(observed.store, "ses_1"):
            raise LookupError(WORDS)

    span = telemetry.span("invoke_agent")
    # Of an id alone the agent is not known.
    assert span.name == "invoke_agent"
    assert (span.attributes or {})["error.type"] == "LookupError"
    assert span.status.status_code is StatusCode.ERROR
    assert WORDS not in span.to_json()


async def test_each_call_of_a_tool_is_a_span_within_the_run(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    From when its start is recorded until its end is; one that is left open has none.
    """
    async with record_run(observed.store, make_session()) as run:
        await run.tool_call_started("call_1", "search", {"query": WORDS})
        await run.tool_call_started("call_2", "book", {"seat": WORDS})
        await run.tool_call_completed("call_1", "search", {"found": WORDS})
        await run.tool_call_failed("call_2", "book", WORDS)
        await run.tool_call_started("call_3", "wait")

    agent = span_id(telemetry.span("invoke_agent"))
    search, book = telemetry.spans("execute_tool")
    assert (search.name, book.name) == ("execute_tool search", "execute_tool book")
    assert dict(search.attributes or {}) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.agent.id": "assistant",
        "gen_ai.agent.name": "assistant",
    }
    assert search.status.is_ok
    assert book.status.status_code is StatusCode.ERROR
    assert (book.attributes or {})["error.type"] == "tool_call_failed"
    for span in (search, book):
        assert span.parent is not None
        assert span.parent.span_id == agent
        assert (span.start_time or 0) < (span.end_time or 0)
        assert WORDS not in span.to_json()


async def test_a_run_through_a_store_that_redacts_has_a_span(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    It is the store behind that one which is observed.
    """
    store = RedactingSessionStore(observed.store, RedactionPolicy())
    async with record_run(store, make_session()) as run:
        await run.message_sent("hello")

    assert telemetry.span("invoke_agent").status.is_ok


async def test_a_run_through_a_store_that_is_not_observed_has_none(
    ports: Ports, telemetry: Telemetry
) -> None:
    """
    It is recorded as ever.
    """
    await ports.store.save_session(make_session())
    async with record_run(ports.store, "ses_1") as run:
        await run.message_sent("hello")

    assert not telemetry.spans()
