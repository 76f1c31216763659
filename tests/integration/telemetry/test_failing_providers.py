"""
What fails in telemetry reaches no caller.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, NoOpMeter
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from asm_async import Ports
from asm_async.errors import SessionNotFoundError
from asm_async.integrations.opentelemetry import instrument
from asm_async.recording import record_run
from asm_async.testing.factories import make_event, make_events, make_session
from tests.integration.telemetry.conftest import Telemetry


class BrokenProcessor(SpanProcessor):
    """
    A span processor that fails, when spans begin or when they end.
    """

    def __init__(self, *, at_start: bool) -> None:
        self._at_start = at_start

    def on_start(
        self,
        span: Span,  # noqa: ARG002 - as it is called
        parent_context: Context | None = None,  # noqa: ARG002 - the same
    ) -> None:
        """
        Fail, or not.
        """
        if self._at_start:
            raise RuntimeError("the processor is broken")

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - as it is called
        """
        Fail.
        """
        raise RuntimeError("the processor is broken")


class BrokenExporter(SpanExporter):
    """
    An exporter that fails.
    """

    def export(
        self,
        spans: Sequence[ReadableSpan],  # noqa: ARG002 - as it is called
    ) -> SpanExportResult:
        """
        Fail.
        """
        raise ConnectionRefusedError("nobody collects")


class BrokenInstrument(Counter, Histogram):
    """
    A counter or a histogram that fails.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def add(self, *_: Any, **__: Any) -> None:
        """
        Fail.
        """
        raise RuntimeError("the meter is broken")

    def record(self, *_: Any, **__: Any) -> None:
        """
        Fail.
        """
        raise RuntimeError("the meter is broken")


class BrokenMeter(NoOpMeter):
    """
    A meter whose instruments fail.
    """

    def create_counter(self, name: str, *_: Any, **__: Any) -> Counter:
        """
        Return one that fails.
        """
        return BrokenInstrument(name)

    def create_histogram(self, name: str, *_: Any, **__: Any) -> Histogram:
        """
        Return one that fails.
        """
        return BrokenInstrument(name)


class BrokenMeterProvider(MeterProvider):
    """
    A provider of meters that fail.
    """

    def get_meter(self, name: str, *_: Any, **__: Any) -> Meter:
        """
        Return a meter that fails.
        """
        return BrokenMeter(name)


def broken_tracers() -> Iterator[Any]:
    """
    Yield each way in which the tracing may be broken.
    """
    yield pytest.param(BrokenProcessor(at_start=True), id="processor at start")
    yield pytest.param(BrokenProcessor(at_start=False), id="processor at end")
    yield pytest.param(SimpleSpanProcessor(BrokenExporter()), id="simple exporter")


async def use(ports: Ports) -> None:
    """
    Do what is traced and measured, well and badly.
    """
    await ports.store.save_session(make_session())
    await asyncio.gather(*map(ports.store.append_event, make_events(4)))
    await ports.store.append_events(make_events(4))
    with pytest.raises(SessionNotFoundError):
        await ports.store.get_session("nobody's")
    with pytest.raises(SessionNotFoundError):
        await ports.store.append_event(make_event(session_id="nobody's"))
    async with record_run(ports.store, make_session()) as run:
        await run.tool_call_started("call_1", "search")
        await run.tool_call_completed("call_1", "search", {})
    assert len(await ports.store.get_events("ses_1", type="message_received")) == 4


@pytest.mark.parametrize("processor", list(broken_tracers()))
async def test_a_failing_processor_or_exporter_reaches_no_caller(
    ports: Ports,
    telemetry: Telemetry,
    processor: SpanProcessor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    It is said once, and metrics are measured all the same.
    """
    caplog.set_level(logging.WARNING, "asm_async.integrations.opentelemetry")
    provider = TracerProvider()
    provider.add_span_processor(processor)
    with instrument(
        ports, tracer_provider=provider, meter_provider=telemetry.meter_provider
    ):
        await use(ports)

    own = [each for each in caplog.records if each.name.startswith("asm_async.integ")]
    assert len(own) == (1 if isinstance(processor, BrokenProcessor) else 0)
    appends = telemetry.points(
        "db.client.operation.duration", db_operation_name="append_event"
    )
    assert sum(point.count for point in appends) == 5


async def test_a_failing_batch_exporter_reaches_no_caller(ports: Ports) -> None:
    """
    It fails in a thread of its own.
    """
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(BrokenExporter()))
    with instrument(ports, tracer_provider=provider):
        await use(ports)
    provider.shutdown()


async def test_a_failing_meter_reaches_no_caller(
    ports: Ports, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is said once, and spans are made all the same.
    """
    caplog.set_level(logging.WARNING, "asm_async.integrations.opentelemetry")
    with instrument(
        ports,
        tracer_provider=telemetry.tracer_provider,
        meter_provider=BrokenMeterProvider(),
    ):
        await use(ports)

    own = [each for each in caplog.records if each.name.startswith("asm_async.integ")]
    assert len(own) == 1
    assert len(telemetry.spans("append_event")) == 5
