"""
What is logged of recorders whose lease or database is lost, and of runs they left.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from asm_async.errors import EventsNotWrittenError, LeaseLostError, StorageError
from asm_async.files import LocalArtifactStore
from asm_async.recording import BackgroundWriter, record_run, recover_interrupted_runs
from asm_async.sql import SQLPorts
from asm_async.testing.recording.contract import make_old, standing_still
from tests.integration.logs.planted import (
    HUSH,
    Listener,
    planted_event,
    planted_ports,
)
from tests.integration.test_stuck_writers import locked

KEEPER = "recording.lease_keeper"


@pytest.fixture
async def ports(migrated_sqlite_url: str) -> AsyncIterator[SQLPorts]:
    """
    Yield ports of little patience over a file with a planted session.
    """
    async with planted_ports(migrated_sqlite_url, 0.1) as ports:
        yield ports


async def refuse(ports: SQLPorts, table: str) -> None:
    """
    Have the database refuse what is written to a table from now on.
    """
    for moment in ("INSERT", "UPDATE"):
        trigger = (
            f"CREATE TRIGGER refuse_{moment} BEFORE {moment} ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        async with ports.engine.begin() as conn:
            await conn.execute(sa.text(trigger))


async def test_a_lease_that_runs_out_and_is_renewed_is_told(
    log: Listener, migrated_sqlite_url: str, ports: SQLPorts
) -> None:
    """
    Attempts are at DEBUG; that it has run out is a warning, and the end of that INFO.
    """
    async with record_run(
        ports.store, "ses_1", input=HUSH, lease=0.3, run_id="run_7"
    ) as run:
        async with locked(migrated_sqlite_url):
            await log.until("has run out")
        await log.until("is renewed again")
        await run.message_sent(HUSH)

    log.said_once("run run_7 has a lease of 0.3 s", "DEBUG", KEEPER)
    log.said_once("the lease of run run_7 has run out", "WARNING", KEEPER)
    log.said_once("the lease of run run_7 is renewed again", "INFO", KEEPER)
    assert len(log.said("the lease of run run_7 is not renewed", 0)) > 1
    assert not log.said("is not renewed")


async def test_runs_that_are_recovered_are_told_at_info(
    log: Listener, ports: SQLPorts
) -> None:
    """
    By their ids.
    """
    async with standing_still(ports.store, "ses_1", input=HUSH, run_id="run_7"):
        await recover_interrupted_runs(ports)

    text = "run run_7 was interrupted, and is ended"
    log.said_once(text, "INFO", "recording.recovery")


async def test_a_recorder_whose_run_was_ended_by_others_warns(
    log: Listener, ports: SQLPorts
) -> None:
    """
    It finds out when it renews its lease.
    """
    recording = record_run(ports.store, "ses_1", input=HUSH, lease=2, run_id="run_7")
    run = await recording.__aenter__()
    # As if the process had stood still for an hour.
    await make_old(ports.state, run)
    await recover_interrupted_runs(ports)
    await log.until("run run_7 was ended by somebody else")
    with pytest.raises(LeaseLostError):
        await recording.__aexit__(None, None, None)

    text = "run run_7 was ended by somebody else"
    log.said_once(text, "WARNING", KEEPER)


async def test_a_run_that_could_not_be_ended_is_warned_of(
    log: Listener, ports: SQLPorts
) -> None:
    """
    Where the database refuses its end.
    """
    recording = record_run(ports.store, "ses_1", input=HUSH, run_id="run_7")
    await recording.__aenter__()
    await refuse(ports, "asm_runs")
    with pytest.raises(StorageError):
        await recording.__aexit__(None, None, None)

    text = "run 'run_7' was not ended by its recorder"
    log.said_once(text, "WARNING", "recording.uninterrupted")


async def test_events_that_were_not_written_are_an_error(
    log: Listener, ports: SQLPorts
) -> None:
    """
    With the ids of the session and of the first one, and how often it was tried before.
    """
    await refuse(ports, "asm_events")
    writer = BackgroundWriter(ports.store)
    writer.append_nowait(planted_event(1))
    with pytest.raises(EventsNotWrittenError):
        await writer.aclose()

    text = "1 events were not written, from 'evt_1' of session 'ses_1' on: "
    log.said_once(text, "ERROR", "recording.background_writer")


async def test_appends_in_the_background_are_tried_again_at_debug(
    log: Listener, migrated_sqlite_url: str, ports: SQLPorts
) -> None:
    """
    As long as another process keeps the file locked.
    """
    writer = BackgroundWriter(ports.store)
    async with locked(migrated_sqlite_url):
        writer.append_nowait(planted_event(1))
        await log.until("1 events are tried again", logging.DEBUG)
    await writer.aclose()

    assert not log.said("are tried again")
    log.said_once(
        "the timeout of a call ran out", "WARNING", "sql.transactions.call_log"
    )


async def test_a_damaged_content_is_warned_of(log: Listener, tmp_path: Path) -> None:
    """
    When it is put again.
    """
    store = LocalArtifactStore(tmp_path / "contents")
    said = f"content {HUSH}".encode()
    await store.put(said)
    files = (path for path in (tmp_path / "contents").rglob("*") if path.is_file())
    (path,) = (path for path in files if path.stat().st_size == len(said))
    path.chmod(0o600)
    path.write_bytes(b"!" * len(said))
    await store.put(said)

    text = "a content was found damaged and is put again"
    log.said_once(text, "WARNING", "files.artifact_store")
