"""
Whether there is anybody to tell.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.trace import TracerProvider, get_tracer_provider

_SECONDS_BETWEEN_LOOKS = 0.1


class Providers:
    """
    The providers of an application, which may set the global ones at any time.

    As long as there is none, nothing is made for it: whether there is one is looked at
    ten times a second at most.

    Args:
        tracer_provider: The tracer's; the global one if None.

        meter_provider: The metrics'; the global one if None.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
    ) -> None:
        self._get_tracers = _getter(tracer_provider, get_tracer_provider)
        self._get_meters = _getter(meter_provider, get_meter_provider)
        self._next_look = 0.0
        self.traces: bool = False
        """
        Whether spans go anywhere.
        """
        self.measures: bool = False
        """
        Whether measurements go anywhere.
        """

    def look(self) -> bool:
        """
        Return whether there is anybody to tell of anything.
        """
        if not (self.traces and self.measures) and monotonic() >= self._next_look:
            self._next_look = monotonic() + _SECONDS_BETWEEN_LOOKS
            self.traces = _does_something(self._get_tracers())
            self.measures = _does_something(self._get_meters())
        return self.traces or self.measures


def _getter(given: object | None, get: Callable[[], object]) -> Callable[[], object]:
    return get if given is None else lambda: given


def _does_something(provider: object) -> bool:
    # The API's own providers are those that do nothing, and proxies of none.
    module = type(provider).__module__
    return not f"{module}.".startswith(
        ("opentelemetry.trace.", "opentelemetry.metrics.")
    )
