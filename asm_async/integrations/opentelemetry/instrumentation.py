"""
How ports are instrumented, and how that is undone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider, get_tracer

import asm_async
from asm_async.errors import UnsupportedOperationError
from asm_async.fronts.observing import Observation, observation_of, observed_port
from asm_async.integrations.opentelemetry.attributes import database_attributes
from asm_async.integrations.opentelemetry.instruments import (
    SCHEMA_URL,
    SCOPE,
    instruments_of,
)
from asm_async.integrations.opentelemetry.observer import TelemetryObserver
from asm_async.integrations.opentelemetry.providers import Providers
from asm_async.integrations.opentelemetry.standing import Standing
from asm_async.portal import PortalPorts
from asm_async.ports.together import Ports
from asm_async.values import fields

_NAMES = ("store", "state", "query", "maintenance", "feed", "artifacts")


class Instrumentation:
    """
    What :func:`instrument` has done to some ports; ``with`` undoes it in the end.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._observations = observations

    def uninstrument(self) -> None:
        """
        Have nothing of the ports traced or measured any more; twice is allowed.
        """
        for observation in self._observations:
            if isinstance(observation.observer, TelemetryObserver):
                observation.observer.close()
                observation.observer = None

    def __enter__(self) -> Self:
        """
        Return this, as it is.
        """
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Undo it.
        """
        self.uninstrument()


def instrument(
    ports: Ports,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    with_lag: bool = True,
) -> Instrumentation:
    """
    Have OpenTelemetry trace and measure what *ports* do, from now on.

    Each call has a span, which is a child of its caller's; a transaction that several
    writes share has one with links to theirs; :func:`~asm_async.recording.record_run`
    has one by the conventions for generative AI, which encloses what is called in it.
    No attribute holds a content, and none of a metric an id. Where a provider, a
    processor or an exporter fails, calls go on.

    Ports that are instrumented stay so: again changes nothing.

    Args:
        ports: As :func:`~asm_async.open_ports` yields them, ``SQLPorts``,
            ``InMemoryPorts``, or those of a portal that is open.

        tracer_provider: Makes the tracer; the global one unless given.

        meter_provider: Makes the metrics; the global one unless given.

        with_lag:
            Whether the database is asked, each time that metrics are collected, how far
            the feed and its durable consumers are behind: a count for each consumer.

    Returns:
        What undoes it.

    Raises:
        ValidationError: If *ports* are something else.

        UnsupportedOperationError: If one of them cannot be observed; it names it.

        StoreClosedError: If they are a portal's, which is not open.
    """
    ports = fields.instance(ports, "ports", Ports)
    fields.boolean(with_lag, "with_lag")
    # Those of a portal belong to its loop, which their first call tells.
    loop = None if isinstance(ports, PortalPorts) else _running_loop()
    if isinstance(ports, PortalPorts):
        ports = ports.portal.opened
    observations = [_observation(ports, name) for name in _NAMES]
    if any(isinstance(each.observer, TelemetryObserver) for each in observations):
        return Instrumentation(observations)
    store = observed_port(ports.store)
    database, kind = database_attributes(store)
    observer = TelemetryObserver(
        tracer=get_tracer(SCOPE, asm_async.__version__, tracer_provider, SCHEMA_URL),
        instruments=instruments_of(meter_provider),
        providers=Providers(tracer_provider, meter_provider),
        database=database,
        kind=kind,
        standing=Standing(ports, store, database, loop, with_lag=with_lag),
    )
    for observation in observations:
        observation.observer = observer
    return Instrumentation(observations)


def _observation(ports: Ports, name: str) -> Observation:
    port = getattr(ports, name)
    observation = observation_of(port)
    if observation is None:
        raise UnsupportedOperationError(
            f"ports.{name}: a {type(port).__name__} cannot be observed; instrument the"
            " ports that it was made of"
        )
    return observation


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
