"""
The metrics that every kind of ports has, their units, and what they must not have.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async import Ports, RunStatus
from asm_async.errors import EventConflictError, InvalidTransitionError
from asm_async.integrations.opentelemetry.instruments import METRICS
from asm_async.testing.event_feed.contract import take
from asm_async.testing.factories import make_event, make_events, make_run
from tests.integration.telemetry.conftest import Telemetry

# What may tell one measurement from another: all of it has few values.
BOUNDED = {
    "asm_async.consumer.name",
    "db.client.connection.pool.name",
    "db.client.connection.state",
    "db.namespace",
    "db.operation.name",
    "db.system.name",
    "error.type",
    "server.address",
    "server.port",
}


async def test_calls_are_measured_by_operation_and_error(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    In seconds, in the buckets of the conventions.
    """
    await observed.store.append_events(make_events(2))
    with pytest.raises(EventConflictError):
        await observed.store.append_event(make_event(data={"content": "other"}))

    name = "db.client.operation.duration"
    (good,) = telemetry.points(name, db_operation_name="append_events")
    assert good.count == 1
    assert "error.type" not in good.attributes
    assert good.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    (bad,) = telemetry.points(name, db_operation_name="append_event")
    assert bad.attributes["error.type"] == "event_conflict"
    conflicts = telemetry.value("asm_async.conflicts", error_type="event_conflict")
    assert conflicts == 1


async def test_events_and_duplicates_are_counted(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    An event that was stored already is a duplicate.
    """
    await observed.store.append_events(make_events(3))
    await observed.store.append_events(make_events(5))
    await observed.store.append_events(make_events(5))

    assert telemetry.value("asm_async.events.appended") == 5
    assert telemetry.value("asm_async.events.duplicate") == 8


async def test_a_conflict_within_another_call_is_counted_once(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    The call that has made the refused one raises what that does.
    """
    await observed.store.save_run(make_run(status=RunStatus.COMPLETED))
    with pytest.raises(InvalidTransitionError):
        await observed.store.update_run(
            "run_1", lambda run: attrs.evolve(run, status=RunStatus.RUNNING)
        )

    assert telemetry.value("asm_async.conflicts") == 1
    assert telemetry.value("asm_async.conflicts", db_operation_name="save_run") == 1


async def test_all_metrics_have_the_names_and_units_that_they_say(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    And no attribute that could have any number of values.
    """
    await observed.store.append_events(make_events(2))
    consumer = observed.feed.consumer("indexer")
    (batch,) = await take(consumer.batches(), 1)
    assert len(batch.events) == 2
    await telemetry.collect_lag()
    found = telemetry.metrics()
    units = {metric.name: metric.unit for metric in METRICS}
    for name, (unit, points) in found.items():
        assert units[name] == unit
        for point in points:
            assert set(point.attributes) <= BOUNDED
