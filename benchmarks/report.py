"""
The results as plain JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from benchmarks.goals import verdicts
from benchmarks.measure import Measured, percentiles, quartiles, ratios

__all__ = ["Results", "results"]

Results: TypeAlias = dict[str, Any]


def results(
    machine: dict[str, Any],
    measured: Sequence[Measured],
    memory: Sequence[dict[str, Any]],
) -> Results:
    """
    Put everything that was found together.
    """
    return {
        "machine": machine,
        "goals": [asdict(verdict) for verdict in verdicts(measured)],
        "measured": [_plain(one, _store_beside(one, measured)) for one in measured],
        "memory": list(memory),
    }


def _store_beside(one: Measured, measured: Sequence[Measured]) -> Measured:
    """
    Find the store's own figures at the same work.
    """
    key = one.database, one.work, one.size
    return next(
        other
        for other in measured
        if other.kind == "store" and (other.database, other.work, other.size) == key
    )


def _plain(one: Measured, store: Measured) -> dict[str, Any]:
    milliseconds = {
        name: round(seconds * 1000, 3)
        for name, seconds in percentiles(one.latencies).items()
    }
    return {
        "database": one.database,
        "work": one.work,
        "size": one.size,
        "contender": one.contender,
        "kind": one.kind,
        "unit": one.unit,
        "log": one.log,
        "store_against_it": quartiles(ratios(store.rates, one.rates)),
        "per_second": one.rate,
        "of_each_round": [round(rate, 2) for rate in one.rates],
        "milliseconds_per_call": milliseconds,
        "failures": one.failures,
    }
