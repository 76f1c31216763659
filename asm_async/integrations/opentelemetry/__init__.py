"""
Spans and metrics of ports with OpenTelemetry (the extra ``opentelemetry``).

:func:`instrument` has each call of some ports traced and measured. Which provider,
exporter and sampler there is stays the application's: only OpenTelemetry's API is
needed, which does nothing where no provider is set.
"""

from importlib import import_module

from asm_async.errors import MissingDependencyError

try:
    import_module("opentelemetry.trace")
except ImportError as _missing:
    raise MissingDependencyError("opentelemetry-api", "opentelemetry") from _missing

from asm_async.integrations.opentelemetry.instrumentation import (
    Instrumentation,
    instrument,
)

__all__ = ["Instrumentation", "instrument"]
