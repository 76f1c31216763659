"""
The metrics of one meter provider, for all the ports that it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from weakref import WeakSet

import attrs
from opentelemetry.metrics import (
    CallbackOptions,
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)

import asm_async
from asm_async.integrations.opentelemetry.standing import Measured, Standing

SCOPE = "asm_async"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"


@attrs.frozen
class Metric:
    """
    What a metric is called, its unit by UCUM, and what it says.
    """

    name: str
    unit: str
    description: str
    bounds: Sequence[float] | None = None
    """
    Of a histogram: where its buckets end.
    """


# Those of the conventions; what is waited for is shorter.
_CALL_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_WAIT_SECONDS = (0.0001, 0.0005, *_CALL_SECONDS)
_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

CALL_DURATION = Metric(
    "db.client.operation.duration",
    "s",
    "Duration of calls of the ports.",
    _CALL_SECONDS,
)
LONGEST_WAIT = Metric(
    "asm_async.transaction.wait.duration",
    "s",
    "Longest time that a write of a committed transaction had waited for it to begin.",
    _WAIT_SECONDS,
)
GROUP_SIZE = Metric(
    "asm_async.transaction.writes",
    "{write}",
    "Writes that a committed transaction was shared by.",
    _GROUP_SIZES,
)
EVENTS = Metric("asm_async.events.appended", "{event}", "Events that were stored.")
DUPLICATES = Metric(
    "asm_async.events.duplicate",
    "{event}",
    "Events that were given and had been stored already.",
)
CONFLICTS = Metric(
    "asm_async.conflicts", "{conflict}", "Calls that were refused with a conflict."
)
RETRIES = Metric(
    "asm_async.retries", "{retry}", "Transactions and reads that were tried again."
)
WAITING_WRITES = Metric(
    "asm_async.writes.waiting",
    "{write}",
    "Writes whose transactions have not begun.",
)
CONNECTIONS = Metric(
    "db.client.connection.count",
    "{connection}",
    "Connections of the pool, by state.",
)
MOST_CONNECTIONS = Metric(
    "db.client.connection.max",
    "{connection}",
    "Connections that the pool may have.",
)
PENDING_REQUESTS = Metric(
    "db.client.connection.pending_requests",
    "{request}",
    "Calls that wait for a connection of the pool.",
)
HELD_EVENTS = Metric(
    "asm_async.feed.held_events",
    "{event}",
    "Committed events that no follower is given, since an older transaction is open.",
)
HELD_SECONDS = Metric(
    "asm_async.feed.held.duration",
    "s",
    "How long the transaction has been open that holds the feed up.",
)
CONSUMER_LAG = Metric(
    "asm_async.consumer.pending_events",
    "{event}",
    "Events that a durable consumer has still to acknowledge.",
)

METRICS = (
    CALL_DURATION,
    LONGEST_WAIT,
    GROUP_SIZE,
    EVENTS,
    DUPLICATES,
    CONFLICTS,
    RETRIES,
    WAITING_WRITES,
    CONNECTIONS,
    MOST_CONNECTIONS,
    PENDING_REQUESTS,
    HELD_EVENTS,
    HELD_SECONDS,
    CONSUMER_LAG,
)
"""
All metrics that there are.
"""


class Instruments:
    """
    What is measured with; a provider has each instrument once, and keeps it.

    Args:
        provider: The meter provider.
    """

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(SCOPE, asm_async.__version__, SCHEMA_URL)
        self.call_duration: Histogram = _histogram(meter, CALL_DURATION)
        self.longest_wait: Histogram = _histogram(meter, LONGEST_WAIT)
        self.group_size: Histogram = _histogram(meter, GROUP_SIZE)
        self.events: Counter = _counter(meter, EVENTS)
        self.duplicates: Counter = _counter(meter, DUPLICATES)
        self.conflicts: Counter = _counter(meter, CONFLICTS)
        self.retries: Counter = _counter(meter, RETRIES)
        # A callback cannot be taken back: it asks those ports that are measured then.
        self.measured: WeakSet[Standing] = WeakSet()
        for metric, ask in (
            (WAITING_WRITES, Standing.waiting_writes),
            (CONNECTIONS, Standing.connections),
            (MOST_CONNECTIONS, Standing.most_connections),
            (PENDING_REQUESTS, Standing.pending_requests),
        ):
            meter.create_observable_up_down_counter(
                metric.name,
                [partial(self._sums, ask)],
                unit=metric.unit,
                description=metric.description,
            )
        for metric, ask in (
            (HELD_EVENTS, Standing.held_events),
            (HELD_SECONDS, Standing.held_seconds),
            (CONSUMER_LAG, Standing.consumer_lags),
        ):
            meter.create_observable_gauge(
                metric.name,
                [partial(self._lasts, ask)],
                unit=metric.unit,
                description=metric.description,
            )

    def _sums(
        self, ask: Callable[[Standing], Iterable[Measured]], _: CallbackOptions
    ) -> list[Observation]:
        """
        Add up what is measured of several ports to the same database.
        """
        sums: dict[frozenset[tuple[str, str | int | float]], float] = {}
        for standing in tuple(self.measured):
            for number, attributes in ask(standing):
                key = frozenset(attributes.items())
                sums[key] = sums.get(key, 0) + number
        return [Observation(number, dict(key)) for key, number in sums.items()]

    def _lasts(
        self, ask: Callable[[Standing], Iterable[Measured]], _: CallbackOptions
    ) -> list[Observation]:
        found = [each for standing in tuple(self.measured) for each in ask(standing)]
        return [Observation(number, attributes) for number, attributes in found]


def instruments_of(provider: MeterProvider | None) -> Instruments:
    """
    Return the instruments of a meter provider; those of the global one if None.
    """
    is_global = provider is None or provider is get_meter_provider()
    return _made_once(None if is_global else provider)


@cache
def _made_once(provider: MeterProvider | None) -> Instruments:
    return Instruments(get_meter_provider() if provider is None else provider)


def _histogram(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.description,
        explicit_bucket_boundaries_advisory=metric.bounds,
    )


def _counter(meter: Meter, metric: Metric) -> Counter:
    return meter.create_counter(
        metric.name, unit=metric.unit, description=metric.description
    )
