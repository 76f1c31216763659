"""
``python -m asm_async export`` and ``import``: history leaves and comes in.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.cli.database import add_timeout_option, add_url_option, on_database
from asm_async.cli.files import STANDARD, pieces_of, written_file
from asm_async.cli.streams import tell
from asm_async.ports.history_transfer import MAX_LINE_BYTES
from asm_async.sql import SQLQueryAPI
from asm_async.values.session import SessionStatus
from asm_async.values.transfer_reports import ExportReport, ImportReport

__all__ = ["add_export_options", "add_import_options"]

_SECONDS_BETWEEN_REPORTS = 1.0
_FILTERS = (
    "agent_id",
    "tenant_id",
    "status",
    "provider",
    "tags",
    "parent_session_id",
    "created_after",
    "created_before",
    "include_deleted",
)


def add_export_options(command: ArgumentParser) -> None:
    """
    Add what follows ``export`` on the command line.
    """
    command.set_defaults(run=_export)
    add_url_option(command)
    add_timeout_option(command)
    command.add_argument(
        "--output",
        default=STANDARD,
        metavar="FILE",
        help="where to write; compressed if it ends with .gz; by default standard"
        " output",
    )
    command.add_argument("--agent-id", help="only sessions of this agent")
    command.add_argument("--tenant-id", help="only sessions of this tenant")
    command.add_argument(
        "--status",
        action="append",
        choices=[status.value for status in SessionStatus],
        help="only sessions that stand so; may be given more than once",
    )
    command.add_argument("--provider", help="only sessions with a run of this provider")
    command.add_argument(
        "--tag",
        action="append",
        default=[],
        dest="tags",
        help="only sessions with this tag; may be given more than once",
    )
    command.add_argument("--parent-session-id", help="only sessions this one started")
    for name, which in (("after", "later"), ("before", "earlier")):
        command.add_argument(
            f"--created-{name}",
            type=_time,
            metavar="TIME",
            help=f"only sessions created {which}, such as 2026-01-31T12:00Z",
        )
    command.add_argument(
        "--include-deleted", action="store_true", help="also soft-deleted sessions"
    )


def add_import_options(command: ArgumentParser) -> None:
    """
    Add what follows ``import`` on the command line.
    """
    command.set_defaults(run=_import)
    add_url_option(command)
    add_timeout_option(command)
    command.add_argument(
        "file",
        metavar="FILE",
        help="what to read; compressed if it ends with .gz; - is standard input",
    )
    command.add_argument(
        "--max-line-bytes",
        type=int,
        default=MAX_LINE_BYTES,
        metavar="BYTES",
        help="the longest line to accept; by default %(default)d",
    )


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!a} is no time such as 2026-01-31T12:00Z"
        ) from None


def _export(options: Namespace) -> str:
    filters: dict[str, Any] = {name: getattr(options, name) for name in _FILTERS}

    async def work(engine: AsyncEngine) -> str:
        query_api = SQLQueryAPI(engine, timeout=options.timeout)
        with written_file(options.output) as file:

            async def write(data: bytes) -> None:
                await asyncio.to_thread(file.write, data)

            report = await query_api.export_sessions(
                write, progress=_teller(_export_told), **filters
            )
        # Not on standard output: the export may be going there.
        tell(_export_told(report))
        return ""

    return on_database(options, work)


def _import(options: Namespace) -> str:
    last = ImportReport()

    def remember(report: ImportReport) -> None:
        nonlocal last
        last = report
        tell_in_time(report)

    async def work(engine: AsyncEngine) -> str:
        query_api = SQLQueryAPI(engine, timeout=options.timeout)
        try:
            async with aclosing(pieces_of(options.file)) as reader:
                await query_api.import_sessions(
                    reader, max_line_bytes=options.max_line_bytes, progress=remember
                )
        finally:
            # Also before an error: what was imported stays.
            tell(_import_told(last))
        return ""

    tell_in_time = _teller(_import_told)
    return on_database(options, work)


def _export_told(report: ExportReport) -> str:
    return (
        f"exported {report.session_count:,} sessions, {report.run_count:,} runs,"
        f" {report.event_count:,} events"
    )


def _import_told(report: ImportReport) -> str:
    return (
        f"imported {report.sessions_imported:,} sessions,"
        f" {report.runs_imported:,} runs, {report.events_imported:,} events;"
        f" {report.sessions_unchanged:,} sessions were here already"
    )


def _teller(told: Callable[[Any], str]) -> Callable[[Any], None]:
    """
    Tell a person at a terminal about progress, once a second.
    """
    next_time = monotonic() + _SECONDS_BETWEEN_REPORTS
    is_watched = sys.stderr is not None and sys.stderr.isatty()

    def tell_in_time(report: object) -> None:
        nonlocal next_time
        if is_watched and monotonic() >= next_time:
            next_time = monotonic() + _SECONDS_BETWEEN_REPORTS
            tell(told(report))

    return tell_in_time
