"""
How ports are instrumented: once, until it is undone, wherever they are.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import attrs
import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from asm_async import InMemoryPorts, Ports
from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.fronts.observing import observation_of
from asm_async.integrations.fastapi import Limits, lifespan, ports_of, router
from asm_async.integrations.opentelemetry import instrument
from asm_async.integrations.opentelemetry.observer import TelemetryObserver
from asm_async.integrations.opentelemetry.providers import Providers
from asm_async.portal import Portal, open_portal
from asm_async.testing.factories import make_event, make_session
from tests.integration.telemetry.conftest import Telemetry

SET_LATER = """
import asyncio
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from asm_async import InMemoryPorts, Session
from asm_async.integrations.opentelemetry import instrument
from asm_async.integrations.opentelemetry.providers import Providers

async def main():
    ports = InMemoryPorts()
    instrument(ports)
    await ports.store.list_sessions()
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    while not exporter.get_finished_spans():
        await ports.store.list_sessions()
    print(exporter.get_finished_spans()[0].name, reader.get_metrics_data() is not None)

asyncio.run(main())
"""


async def test_instrumented_twice_each_call_has_one_span(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    The second time changes nothing, neither who is told.
    """
    instrument(observed)
    await observed.store.append_event(make_event())

    assert len(telemetry.spans()) == 1
    (point,) = telemetry.points("db.client.operation.duration")
    assert point.count == 1


async def test_undone_it_tells_nothing_more(ports: Ports, telemetry: Telemetry) -> None:
    """
    Neither of calls nor of what is collected; twice is allowed, and so is once more.
    """
    instrumentation = instrument(ports, **telemetry.providers)
    await ports.store.save_session(make_session())
    instrumentation.uninstrument()
    instrumentation.uninstrument()
    await ports.store.append_event(make_event())

    assert len(telemetry.spans()) == 1
    assert not telemetry.points("asm_async.writes.waiting")
    assert not telemetry.points("db.client.connection.count")
    with instrument(ports, **telemetry.providers):
        await ports.store.list_sessions()
        expected = 1 if hasattr(ports, "engine") else 0
        assert len(telemetry.points("asm_async.writes.waiting")) == expected
    assert len(telemetry.spans()) == 2


async def test_without_a_provider_nothing_is_made(ports: Ports) -> None:
    """
    Calls go on, in no span.
    """
    seen: list[trace.Span] = []

    def change(session: Any) -> Any:
        seen.append(trace.get_current_span())
        return session

    with instrument(ports):
        await ports.store.save_session(make_session())
        await ports.store.update_session("ses_1", change)

    assert seen == [trace.INVALID_SPAN]


async def test_providers_that_do_nothing_are_told_nothing(
    ports: Ports, telemetry: Telemetry
) -> None:
    """
    So either spans or metrics can be switched off, and cost nothing then.
    """
    silent = Providers(NoOpTracerProvider(), NoOpMeterProvider())
    assert not silent.look()
    with instrument(
        ports,
        tracer_provider=NoOpTracerProvider(),
        meter_provider=telemetry.meter_provider,
    ):
        await ports.store.save_session(make_session())
    with instrument(
        ports,
        tracer_provider=telemetry.tracer_provider,
        meter_provider=NoOpMeterProvider(),
    ):
        await ports.store.append_event(make_event())

    assert [span.name.split()[0] for span in telemetry.spans()] == ["append_event"]
    (point,) = telemetry.points("db.client.operation.duration")
    assert point.attributes["db.operation.name"] == "save_session"


def test_global_providers_may_be_set_later() -> None:
    """
    They are told of calls from soon after that.
    """
    call = [sys.executable, "-c", SET_LATER]
    ran = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own script

    assert ran.stdout.split() == ["list_sessions", "True"]


async def test_two_databases_have_their_own_figures(
    ports: Ports, telemetry: Telemetry
) -> None:
    """
    Though a provider has each instrument once.
    """
    async with InMemoryPorts() as other:
        with instrument(ports, **telemetry.providers):
            with instrument(other, **telemetry.providers):
                await other.store.save_session(make_session())
                await ports.store.save_session(make_session())
                await other.store.append_event(make_event())

            assert len(telemetry.spans()) == 3
            appends = telemetry.points(
                "db.client.operation.duration", db_operation_name="append_event"
            )
            assert [p.attributes["db.system.name"] for p in appends] == ["memory"]


def test_what_are_no_ports_is_refused() -> None:
    """
    The error names the argument.
    """
    with pytest.raises(ValidationError, match="ports"):
        instrument(cast("Any", InMemoryPorts().store))


def test_a_port_that_cannot_be_observed_is_named() -> None:
    """
    One of another's making does not say where it stands who observes it.
    """
    ports = InMemoryPorts()
    foreign = attrs.evolve(
        Ports(
            store=ports.store,
            state=ports.state,
            query=ports.query,
            maintenance=ports.maintenance,
            feed=ports.feed,
            artifacts=ports.artifacts,
        ),
        query=cast("Any", object()),
    )
    with pytest.raises(UnsupportedOperationError, match=r"ports\.query: a object"):
        instrument(foreign)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_the_ports_of_a_portal_can_be_instrumented(
    kind: str, migrated_sqlite_url: str, telemetry: Telemetry
) -> None:
    """
    A call from another loop is a child of its caller's span; the lag is told as well.
    """
    tracer = telemetry.tracer_provider.get_tracer("the application")
    sqlite = kind == "sqlite"
    portal = open_portal(migrated_sqlite_url) if sqlite else Portal(InMemoryPorts)
    async with portal:
        with instrument(portal.ports, **telemetry.providers):
            with tracer.start_as_current_span("request") as request:
                await portal.ports.store.save_session(make_session())
            await telemetry.collect_lag()

    parent = telemetry.span("save_session").parent
    assert parent is not None
    assert parent.span_id == request.get_span_context().span_id


async def test_the_ports_of_a_fastapi_lifespan_can_be_instrumented(
    tmp_path: Path, telemetry: Telemetry
) -> None:
    """
    After they were opened; the router's routes are traced, too.
    """
    app = FastAPI(lifespan=lifespan(f"sqlite:///{tmp_path}/a.sqlite3", migrate=True))
    app.include_router(router(authorize=lambda: "tenant", limits=Limits()))
    transport = httpx.ASGITransport(app)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        stack.enter_context(instrument(ports_of(app), **telemetry.providers))
        client = httpx.AsyncClient(transport=transport, base_url="http://test")
        await stack.enter_async_context(client)
        sessions = await client.get("/sessions")
        assert sessions.status_code == 200

    assert telemetry.spans("search_sessions")


async def test_where_nobody_observes_any_more_nothing_stands(ports: Ports) -> None:
    """
    Calls look there, and at nothing else.
    """
    observation = observation_of(ports.store)
    assert observation is not None
    instrumentation = instrument(ports)
    assert isinstance(observation.observer, TelemetryObserver)
    instrumentation.uninstrument()
    assert observation.observer is None
