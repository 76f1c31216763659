"""
What to do once a night: end interrupted runs, delete and archive old history, check.

    ASM_DATABASE_URL=postgresql://host/agents python nightly.py --archive /srv/archive

Each step prints one line. The process ends with

    0   all is well
    1   a step failed, or the check found something: look at what was printed
    2   the arguments were wrong
    4   the database could not be reached, or it was stopped (SIGTERM): run it again
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path

from asm_async import Ports, RetentionPolicy, open_ports
from asm_async.errors import (
    ASMError,
    StorageBusyError,
    StorageUnavailableError,
    ValidationError,
)
from asm_async.recording import recover_interrupted_runs
from asm_async.values.export_lines import encode_export
from asm_async.values.session_export import SessionExport

# As the command line has them.
FINE, TROUBLE, TRY_AGAIN = 0, 1, 4

# What may be better in a while, also within another error of the same step.
PASSING = (StorageUnavailableError, StorageBusyError)


class Archive:
    """
    A directory with one file for each session that is removed for ever.

    Args:
        directory: Whose files can be imported again, into another database.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def __call__(self, export: SessionExport) -> None:
        """
        Write a session; when this returns, it is on the disk, and may be removed.
        """
        await asyncio.to_thread(self._write, export)

    def _write(self, export: SessionExport) -> None:
        # An id may have a slash in it, and a name may have 255 bytes at most.
        name = export.session.id.encode().hex()[:200]
        path = self._directory / f"{name}.jsonl.gz"
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            beside.chmod(0o600)
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as lines:
                lines.writelines(encode_export([export]))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


async def recover(ports: Ports) -> int:
    """
    End the runs whose recorder is dead.
    """
    report = await recover_interrupted_runs(ports)
    print(f"recover: {len(report.ended)} runs ended, {report.alive} alive")
    return FINE


async def retain(ports: Ports, policy: RetentionPolicy) -> int:
    """
    Delete and prune what the policy says.
    """
    report = await ports.maintenance.execute(policy)
    print(
        f"retain: {report.sessions_soft_deleted} sessions soft-deleted,"
        f" {report.sessions_hard_deleted} removed, {report.events_pruned} events pruned"
    )
    errors = [error for some in report.errors.values() for error in some]
    for error in errors:
        print(f"retain: {error!r}")
    if errors and all(isinstance(error, PASSING) for error in errors):
        return TRY_AGAIN
    return TROUBLE if errors else FINE


async def check(ports: Ports) -> int:
    """
    Look for what is wrong with the database.
    """
    issues = await ports.maintenance.health_check()
    print(f"check: {len(issues)} issues")
    for issue in issues:
        print(f"check: {issue.kind} {issue.subject}: {issue.message}")
    return TROUBLE if issues else FINE


async def outcome_of(step: Awaitable[int]) -> int:
    """
    Take a step; one that fails does not keep the others from being taken.
    """
    try:
        return await step
    except PASSING as error:
        print(f"failed, try again: {error!r}")
        return TRY_AGAIN
    except ASMError as error:
        print(f"failed: {error!r}")
        return TROUBLE


async def work(url: str, policy: RetentionPolicy, timeout: float) -> int:
    """
    Take all steps, until the process is told to stop.
    """
    if task := asyncio.current_task():
        # Each call of the ports is whole or not at all, also when it is cancelled.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with open_ports(url, timeout=timeout) as ports:
        outcomes = [
            await outcome_of(recover(ports)),
            await outcome_of(retain(ports, policy)),
            await outcome_of(check(ports)),
        ]
    return TROUBLE if TROUBLE in outcomes else max(outcomes)


def arguments() -> tuple[argparse.Namespace, RetentionPolicy]:
    """
    Read the command line: the database, and what is to be kept.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--url", default=os.environ.get("ASM_DATABASE_URL"))
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--archive", type=Path, help="a directory for what is removed")
    parser.add_argument("--completed-days", type=int, default=90)
    parser.add_argument("--idle-days", type=int, help="by default, for ever")
    parser.add_argument("--deleted-days", type=int, default=30)
    options = parser.parse_args()
    if not options.url:
        parser.error("--url is missing, and ASM_DATABASE_URL is not set")
    try:
        policy = RetentionPolicy(
            max_completed_session_age_days=options.completed_days,
            max_idle_days=options.idle_days,
            hard_delete_after_days=options.deleted_days,
            archive=None if options.archive is None else Archive(options.archive),
        )
    except (ValidationError, OSError) as error:
        parser.error(str(error))
    return options, policy


def main() -> int:
    """
    Do the night's work, and return the exit code.
    """
    options, policy = arguments()
    try:
        return asyncio.run(work(options.url, policy, options.timeout))
    except asyncio.CancelledError:
        print("stopped: the next run goes on")
        return TRY_AGAIN
    except PASSING as error:
        print(f"failed, try again: {error!r}")
        return TRY_AGAIN
    except ASMError as error:
        print(f"failed: {error!r}")
        return TROUBLE


if __name__ == "__main__":
    sys.exit(main())
