"""
The spans of the ports' calls.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from asm_async import ExecutionResult, Ports
from asm_async.errors import SequenceConflictError, SessionNotFoundError
from asm_async.integrations.opentelemetry import instrument
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.redaction import RedactingSessionStore
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.changes import Changes
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.retention import RetentionPolicy
from tests.integration.telemetry.conftest import Telemetry

WORDS = "what the agent said to nobody else"
SYSTEMS = {"memory": "memory", "sqlite": "sqlite", "postgresql": "postgresql"}

PORTS = {
    "store": SessionStore,
    "state": StateStore,
    "query": QueryAPI,
    "maintenance": Maintenance,
    "feed": EventFeed,
    "artifacts": ArtifactRegistry,
}


def span_id(span: trace.Span | Any) -> int:
    """
    Return the id of a span.
    """
    return int(span.get_span_context().span_id)


@pytest.mark.parametrize("name", PORTS)
async def test_each_call_of_each_port_has_a_span(
    observed: Ports, telemetry: Telemetry, name: str
) -> None:
    """
    Whatever becomes of it: here nothing is given to it at all.
    """
    for method, _ in inspect.getmembers(PORTS[name], inspect.iscoroutinefunction):
        if method != "aclose" and not method.startswith("_"):
            telemetry.clear()
            await check_span(getattr(observed, name), method, telemetry)


async def check_span(port: object, method: str, telemetry: Telemetry) -> None:
    """
    Call a method with nothing, and find its span and its measured duration.
    """
    call = getattr(port, method)
    required = [
        parameter
        for parameter in inspect.signature(call).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    positional = [p for p in required if p.kind is not p.KEYWORD_ONLY]
    named = {p.name: None for p in required if p.kind is p.KEYWORD_ONLY}
    nothing = [None for _ in positional]
    task = asyncio.ensure_future(call(*nothing, **named))
    await asyncio.wait({task})
    has_failed = task.exception() is not None

    span = telemetry.span(method)
    assert span.attributes is not None
    assert span.attributes["db.operation.name"] == method
    assert ("error.type" in span.attributes) == has_failed
    assert span.status.is_ok != has_failed
    (point,) = telemetry.points(
        "db.client.operation.duration", db_operation_name=method
    )
    assert point.count == 1


async def test_a_call_is_a_child_of_the_span_of_its_caller(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    One that makes other calls is the parent of theirs.
    """
    tracer = telemetry.tracer_provider.get_tracer("the application")
    with tracer.start_as_current_span("request") as request:
        await observed.store.update_session("ses_1", lambda s: s.with_tags(add=["a"]))
        assert trace.get_current_span() is request

    update = telemetry.span("update_session")
    assert update.parent is not None
    assert update.parent.span_id == span_id(request)
    for name in ("get_session", "save_session"):
        parent = telemetry.span(name).parent
        assert parent is not None
        assert parent.span_id == span_id(update)


async def test_a_span_names_database_operation_and_session(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    By the semantic conventions; the session's id is ours.
    """
    await observed.store.append_event(make_event())

    span = telemetry.span("append_event")
    found = dict(span.attributes or {})
    system = found.pop("db.system.name")
    assert system in SYSTEMS
    assert span.kind is (SpanKind.INTERNAL if system == "memory" else SpanKind.CLIENT)
    namespace = found.pop("db.namespace", None)
    assert span.name == " ".join(filter(None, ["append_event", str(namespace or "")]))
    assert "/" not in str(namespace)
    assert found["db.operation.name"] == "append_event"
    assert found["asm_async.session.id"] == "ses_1"
    if system == "postgresql":
        assert found["server.address"]


async def test_the_session_is_found_in_whatever_a_call_is_given(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    An id, a session, a run, an event, several, a result, or changes.
    """
    store = observed.store
    await store.get_session("ses_1")
    await store.get_events(session_id="ses_1")
    await store.save_session(make_session())
    await store.save_run(make_run())
    await store.append_events(make_events(2))
    await store.flush(ExecutionResult(events=(make_event(id="evt_f"),)))
    await store.commit(Changes(events=(make_event(id="evt_c"),)))
    await observed.query.get_session_stats("ses_1")

    ids = [
        (span.attributes or {}).get("asm_async.session.id")
        for span in telemetry.spans()
    ]
    assert ids == ["ses_1"] * 8


async def test_what_is_about_no_session_has_no_id(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    The first argument of such a call is something else.
    """
    await observed.state.save_items([make_item()])
    await observed.state.list_items("app/user")
    await observed.query.search_sessions()

    for span in telemetry.spans():
        assert "asm_async.session.id" not in (span.attributes or {})


async def test_a_refused_call_has_the_code_of_its_error(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    Its status is an error; what the error says is not told.
    """
    with pytest.raises(SessionNotFoundError):
        await observed.store.get_session("nobody's")

    span = telemetry.span("get_session")
    assert (span.attributes or {})["error.type"] == "session_not_found"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert not span.events


async def test_nothing_that_is_stored_is_told(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    Neither of what is written and read, nor of what is refused.
    """
    store, stored = observed.store, {"content": WORDS}
    await store.save_session(make_session(metadata=stored, context=stored))
    await store.save_run(make_run(input=WORDS))
    await store.append_events([make_event(data=stored)])
    await observed.state.save_items([make_item(data=stored)])
    await store.get_events("ses_1")
    with pytest.raises(SequenceConflictError):
        await store.append_event(
            make_event(id="evt_2", data=stored), expected_sequence=7
        )

    told = [span.to_json() for span in telemetry.spans()]
    told.append(str(telemetry.metrics()))
    assert WORDS not in "".join(told)


async def test_a_call_that_is_not_sampled_begins_no_trace(
    ports: Ports, telemetry: Telemetry
) -> None:
    """
    What it calls in turn is within it, and is not sampled either.
    """
    provider = TracerProvider(sampler=ALWAYS_OFF)
    seen: list[trace.SpanContext] = []
    await ports.store.save_session(make_session())

    def change(session: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context())
        return session

    with instrument(
        ports, tracer_provider=provider, meter_provider=telemetry.meter_provider
    ):
        await ports.store.update_session("ses_1", change)

    assert seen[0].is_valid
    assert not seen[0].trace_flags.sampled


async def test_a_store_in_front_of_another_has_one_span_for_each_call(
    ports: Ports, telemetry: Telemetry
) -> None:
    """
    That of the store behind it, where the call goes.
    """
    store = RedactingSessionStore(ports.store, RedactionPolicy())
    both = Ports(
        store=store,
        state=ports.state,
        query=ports.query,
        maintenance=ports.maintenance,
        feed=ports.feed,
        artifacts=ports.artifacts,
    )
    with instrument(both, **telemetry.providers):
        await store.save_session(make_session())

    assert [span.name.split()[0] for span in telemetry.spans()] == ["commit"]


async def test_maintenance_has_spans(observed: Ports, telemetry: Telemetry) -> None:
    """
    One for a whole execution of a policy.
    """
    await observed.store.append_events(make_events(3))
    await observed.maintenance.execute(RetentionPolicy(max_events_per_session=1))

    assert telemetry.span("execute").status.is_ok
