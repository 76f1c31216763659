"""
OpenTelemetry's own readers of what is made in memory, and ports that tell them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asm_async import Ports
from asm_async.integrations.opentelemetry import instrument
from asm_async.testing.factories import make_session


def span_id(span: ReadableSpan) -> int:
    """
    Return the id of a span.
    """
    context = span.get_span_context()
    assert context is not None
    return int(context.span_id)


class Telemetry:
    """
    What was told to a tracer provider and a meter provider of its own.
    """

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meter_provider = MeterProvider([self._reader])

    @property
    def providers(self) -> dict[str, Any]:
        """
        The providers, as ``instrument`` takes them.
        """
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
        }

    def close(self) -> None:
        """
        End what the providers have begun.
        """
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()

    def clear(self) -> None:
        """
        Forget the spans that have ended.
        """
        self._exporter.clear()

    def spans(self, operation: str | None = None) -> list[ReadableSpan]:
        """
        Return the spans that have ended, of one operation or of all.
        """
        spans = self._exporter.get_finished_spans()
        return [
            span
            for span in spans
            if operation is None or span.name.split()[0] == operation
        ]

    def span(self, operation: str) -> ReadableSpan:
        """
        Return the only span of an operation that has ended.
        """
        (span,) = self.spans(operation)
        return span

    def metrics(self) -> dict[str, tuple[str, list[Any]]]:
        """
        Collect the metrics: unit and data points of each, by name.
        """
        data = self._reader.get_metrics_data()
        return {
            metric.name: (metric.unit or "", list(metric.data.data_points))
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    async def collect_lag(self) -> None:
        """
        Collect until the database has been asked how far the feed is behind.
        """
        async with asyncio.timeout(10):
            while self.value("asm_async.feed.held_events") is None:  # noqa: ASYNC110 - it is collecting that has it asked
                await asyncio.sleep(0)

    def points(self, name: str, **attributes: str) -> list[Any]:
        """
        Collect the data points of a metric that have these attributes.

        Args:
            name: The metric's.

            attributes: With underlines in place of dots.
        """
        _, points = self.metrics().get(name, ("", []))
        return [
            point
            for point in points
            if attributes.items()
            <= {k.replace(".", "_"): v for k, v in point.attributes.items()}.items()
        ]

    def value(self, name: str, **attributes: str) -> Any:
        """
        Collect the only value of a metric with these attributes; None if there is none.
        """
        found = self.points(name, **attributes)
        assert len(found) <= 1
        return found[0].value if found else None


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """
    Yield providers that keep in memory what they are told.
    """
    telemetry = Telemetry()
    yield telemetry
    telemetry.close()


@pytest.fixture
async def observed(ports: Ports, telemetry: Telemetry) -> AsyncIterator[Ports]:
    """
    Yield ports of each kind in turn that are instrumented, and have a session.
    """
    await ports.store.save_session(make_session())
    with instrument(ports, **telemetry.providers):
        yield ports
