"""
The script of the night, run as cron would run it.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asm_async import InMemoryPorts, RunStatus, open_ports
from asm_async.recording import record_run
from asm_async.testing.factories import make_session
from asm_async.testing.query_api.transfer import export_of, history, pieces
from tests.integration.example_programs import ENVIRONMENT, EXAMPLES, run_example

SCRIPT = "deploy/nightly.py"
LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)
FINE, TROUBLE, WRONG_ARGUMENTS, TRY_AGAIN = 0, 1, 2, 4

# Ends without a word, and leaves its run to whoever recovers.
DYING = """
import asyncio, os, sys
from asm_async import open_ports
from asm_async.recording import record_run


async def main():
    async with open_ports(sys.argv[1]) as ports:
        async with record_run(ports.store, "ses_2", lease=1) as run:
            print(run.id, flush=True)
            os._exit(9)


asyncio.run(main())
"""


async def fill(url: str) -> None:
    """
    Store a session that was soft-deleted long ago, and one that lives.
    """
    async with open_ports(url) as ports:
        old = export_of(history(make_session(revision=1, deleted_at=LONG_AGO)))
        await ports.query.import_sessions(pieces(old))
        await ports.store.save_session(make_session(id="ses_2"))


async def test_a_night_recovers_archives_removes_and_checks(
    url: str, tmp_path: Path
) -> None:
    """
    Each step is told in a line, and what was removed can be imported elsewhere.
    """
    await fill(url)
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DYING, url],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    run_id = died.stdout.strip()
    archive = tmp_path / "archive"

    done = await asyncio.to_thread(
        run_example, SCRIPT, "--url", url, "--archive", archive
    )

    lines = done.stdout.splitlines()
    assert lines[0] == "recover: 1 runs ended, 0 alive"
    assert lines[1].startswith("retain: 0 sessions soft-deleted, 1 removed")
    # The tests' server is set so that a power cut can undo what it has acknowledged.
    weak = [line for line in lines[3:] if "weak_durability" in line]
    assert lines[2:] == [f"check: {len(weak)} issues", *weak]
    assert done.returncode == (TROUBLE if weak else FINE)
    async with open_ports(url) as ports:
        assert (await ports.store.get_run(run_id)).status is RunStatus.FAILED
        assert [each.id for each in await ports.store.list_sessions()] == ["ses_2"]
    (file,) = archive.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    async with InMemoryPorts() as elsewhere:
        lines_of_it = gzip.decompress(file.read_bytes())
        report = await elsewhere.query.import_sessions(pieces(lines_of_it))
    assert report.sessions_imported == 1


async def test_what_the_check_finds_makes_it_fail(migrated_sqlite_url: str) -> None:
    """
    A database that is damaged ends the script with 1, and is named.
    """
    await fill(migrated_sqlite_url)
    with closing(sqlite3.connect(migrated_sqlite_url.partition("///")[2])) as conn:
        conn.execute("UPDATE asm_session_sequences SET last_sequence = 9")
        conn.commit()

    done = await asyncio.to_thread(run_example, SCRIPT, "--url", migrated_sqlite_url)

    assert done.returncode == TROUBLE
    assert "check: sequence_mismatch ses_2" in done.stdout


def test_a_server_that_is_away_is_to_be_tried_again() -> None:
    """
    A database that nobody serves ends the script with 4, without a traceback.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"postgresql://nobody@127.0.0.1:{port}/none"
        done = run_example(SCRIPT, "--url", url, "--timeout", "0.5")

    assert done.returncode == TRY_AGAIN
    assert done.stdout.startswith("failed, try again: StorageUnavailableError")
    assert "Traceback" not in done.stderr


async def test_who_is_told_to_stop_says_so(migrated_sqlite_url: str) -> None:
    """
    SIGTERM ends it at once with 4, though a lease that lives was waited for.
    """
    await fill(migrated_sqlite_url)
    async with (
        open_ports(migrated_sqlite_url) as ports,
        record_run(ports.store, "ses_2"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            EXAMPLES / SCRIPT,
            f"--url={migrated_sqlite_url}",
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE,
        )
        await begun(process.pid)
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()

    assert process.returncode == TRY_AGAIN
    assert output == b"stopped: the next run goes on\n"


async def begun(pid: int) -> None:
    """
    Wait until a process handles SIGTERM by itself.
    """
    while not handles_sigterm(pid):  # noqa: ASYNC110 - no other process sets an event
        await asyncio.sleep(0)


def handles_sigterm(pid: int) -> bool:
    """
    Return whether SIGTERM no longer just ends a process.
    """
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    (mask,) = re.findall(r"SigCgt:\t(\w+)", status)
    return bool(int(mask, 16) & 1 << (signal.SIGTERM - 1))


@pytest.mark.parametrize(
    "arguments",
    [(), ("--url", "sqlite:///x.sqlite3", "--completed-days", "0")],
    ids=["no_url", "no_days"],
)
def test_wrong_arguments_are_refused(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    They end the script with 2, before any database is opened.
    """
    monkeypatch.delitem(ENVIRONMENT, "ASM_DATABASE_URL", raising=False)

    assert run_example(SCRIPT, *arguments).returncode == WRONG_ARGUMENTS
