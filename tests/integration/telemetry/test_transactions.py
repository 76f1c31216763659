"""
What is told of the transactions that writes share, on the databases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import SequenceConflictError
from asm_async.integrations.opentelemetry import instrument
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_event, make_events, make_item, make_session
from asm_async.testing.faults import FaultPoints, Hold, failing
from asm_async.testing.faults.engines import watched_engine
from tests.integration.telemetry.conftest import Telemetry, span_id

INSERT = ".*INSERT INTO asm_events"
WRITERS = 8


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on each database in turn, which has made no connection yet.
    """
    engine = create_engine(url, execution_options={"asm_announces": False})
    yield engine
    await engine.dispose()


@pytest.fixture
async def points(engine: AsyncEngine) -> AsyncIterator[FaultPoints]:
    """
    Yield the fault points of its connections.
    """
    with watched_engine(engine) as points:
        yield points


@pytest.fixture
async def ports(
    engine: AsyncEngine, points: FaultPoints, telemetry: Telemetry
) -> AsyncIterator[SQLPorts]:
    """
    Yield instrumented ports with the sessions ``ses_1`` and ``ses_2``.
    """
    assert points.count == 0
    async with SQLPorts(engine, timeout=10) as ports:
        for session_id in ("ses_1", "ses_2"):
            await ports.store.save_session(make_session(id=session_id))
        with instrument(ports, **telemetry.providers):
            yield ports


async def append_at_once(ports: SQLPorts) -> None:
    """
    Append eight events in as many tasks, which share one transaction.
    """
    appends = (ports.store.append_event(event) for event in make_events(WRITERS))
    await asyncio.gather(*appends)


async def test_a_shared_transaction_is_a_span_with_links_to_its_writes(
    ports: SQLPorts, telemetry: Telemetry
) -> None:
    """
    It is within the first of them, and ends before any of them does.
    """
    await append_at_once(ports)

    transaction = telemetry.span("transaction")
    appends = telemetry.spans("append_event")
    assert len(appends) == WRITERS
    linked = {link.context.span_id for link in transaction.links}
    assert linked == {span_id(span) for span in appends}
    assert (transaction.attributes or {})["db.operation.batch.size"] == WRITERS
    (parent,) = [
        span
        for span in appends
        if transaction.parent is not None
        and span_id(span) == transaction.parent.span_id
    ]
    assert (parent.start_time or 0) <= (transaction.start_time or 0)
    assert all((transaction.end_time or 0) <= (span.end_time or 0) for span in appends)


async def test_a_write_alone_says_how_long_it_waited(
    ports: SQLPorts, telemetry: Telemetry
) -> None:
    """
    Its transaction is no span of its own.
    """
    await ports.store.append_event(make_event())

    attributes = telemetry.span("append_event").attributes or {}
    waited = attributes["asm_async.write.wait.duration"]
    assert isinstance(waited, float)
    assert 0 <= waited < 1
    assert not telemetry.spans("transaction")


async def test_each_transaction_counts_its_writes_and_the_longest_wait(
    ports: SQLPorts, points: FaultPoints, telemetry: Telemetry
) -> None:
    """
    Those that come while one is held up wait, and share the next.
    """
    held = Hold()
    await ports.engine.dispose()
    points.arm(held, INSERT)
    first = asyncio.create_task(ports.store.append_event(make_event(id="evt_first")))
    await held.happened.wait()
    others = asyncio.gather(*map(ports.store.append_event, make_events(WRITERS)))
    # Each submits its event in its first turn.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert telemetry.value("asm_async.writes.waiting") == WRITERS
    held.released.set()
    await asyncio.gather(first, others)

    (sizes,) = telemetry.points("asm_async.transaction.writes")
    assert (sizes.count, sizes.sum) == (2, WRITERS + 1)
    (waits,) = telemetry.points("asm_async.transaction.wait.duration")
    assert waits.count == 2
    assert waits.max > 0
    assert telemetry.value("asm_async.writes.waiting") == 0


async def test_events_and_duplicates_are_counted(
    ports: SQLPorts, telemetry: Telemetry
) -> None:
    """
    Whatever they were written with, and however they came to be written.
    """
    store = ports.store
    await store.append_events(make_events(3))
    await store.append_events(make_events(5))
    retracted = await store.retract_events(
        "ses_1", first=1, last=2, replacement=[make_event(id="evt_r")]
    )
    assert len(retracted) == 2
    await ports.state.save_items([make_item()])

    assert telemetry.value("asm_async.events.appended") == 3 + 2 + 2
    assert telemetry.value("asm_async.events.duplicate") == 3


async def test_a_conflict_is_counted_by_its_code(
    ports: SQLPorts, telemetry: Telemetry
) -> None:
    """
    Once, and not as a retry.
    """
    with pytest.raises(SequenceConflictError):
        await ports.store.append_event(make_event(), expected_sequence=7)

    name = "asm_async.conflicts"
    assert telemetry.value(name, error_type="sequence_conflict") == 1
    assert not telemetry.points("asm_async.retries")


async def test_what_is_tried_again_is_counted_by_the_code_of_its_error(
    ports: SQLPorts, points: FaultPoints, telemetry: Telemetry
) -> None:
    """
    A write that found no connection, and a read.
    """
    await ports.engine.dispose()
    points.arm(failing(ConnectionResetError()), INSERT)
    await ports.store.append_event(make_event())
    written = telemetry.value("asm_async.retries", error_type="storage_unavailable")
    assert written == 1
    points.arm(failing(ConnectionResetError()), ".*FROM asm_events")
    assert len(await ports.store.get_events("ses_1")) == 1

    read = telemetry.value("asm_async.retries", error_type="storage_unavailable")
    assert read == 2


async def test_a_shared_transaction_that_fails_is_a_span_with_its_error(
    ports: SQLPorts, points: FaultPoints, telemetry: Telemetry
) -> None:
    """
    So is the one in which its writes are tried again.
    """
    await ports.engine.dispose()
    points.arm(failing(ConnectionResetError()), INSERT)
    await append_at_once(ports)

    failed, *others = telemetry.spans("transaction")
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "storage_unavailable"
    assert len(failed.links) == WRITERS
    assert [span.status.status_code for span in others] == [StatusCode.UNSET]
    assert all(span.status.is_ok for span in telemetry.spans("append_event"))


async def test_writes_that_are_not_sampled_have_no_transaction(
    ports: SQLPorts, telemetry: Telemetry
) -> None:
    """
    Nobody would see what it links to; it is measured all the same.
    """
    instrument(ports).uninstrument()
    provider = TracerProvider(sampler=ALWAYS_OFF)
    with instrument(
        ports, tracer_provider=provider, meter_provider=telemetry.meter_provider
    ):
        await append_at_once(ports)

    assert not telemetry.spans()
    (sizes,) = telemetry.points("asm_async.transaction.writes")
    assert sizes.sum == WRITERS
