"""
``python -m asm_async export`` and ``import``: history as files.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.cli.database import add_command, on_database
from asm_async.cli.files import STANDARD, pieces_of, written_file
from asm_async.cli.streams import report
from asm_async.ports.history_transfer import MAX_LINE_BYTES
from asm_async.sql import SQLQueryAPI
from asm_async.values.session import SessionStatus
from asm_async.values.transfer_reports import ExportReport, ImportReport

_SECONDS_BETWEEN_REPORTS = 1.0
_FILTERS = (
    "agent_id",
    "tenant_id",
    "user_id",
    "status",
    "provider",
    "tags",
    "parent_session_id",
    "created_after",
    "created_before",
    "include_deleted",
)


def add_transfer_commands(commands: Any) -> None:
    """
    Add the commands ``export`` and ``import``.
    """
    purpose = "Write sessions, with their runs and events, as lines of JSON."
    command = add_command(commands, "export", _export, purpose)
    command.add_argument(
        "--output",
        default=STANDARD,
        metavar="FILE",
        help="where to write; compressed if it ends with .gz; by default standard"
        " output",
    )
    command.add_argument("--agent-id", help="only sessions of this agent")
    command.add_argument("--tenant-id", help="only sessions of this tenant")
    command.add_argument("--user-id", help="only sessions of this user")
    command.add_argument(
        "--status",
        action="append",
        choices=[status.value for status in SessionStatus],
        help="only sessions in this status; may be given more than once",
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
    purpose = "Store the sessions of an export that are not in the database yet."
    command = add_command(commands, "import", _import, purpose)
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

            done = await query_api.export_sessions(
                write, progress=_progress(_exported), **filters
            )
        # Not on standard output: the export may be going there.
        report(_exported(done))
        return ""

    return on_database(options, work)


def _import(options: Namespace) -> str:
    last, show = ImportReport(), _progress(_imported)

    def remember(done: ImportReport) -> None:
        nonlocal last
        last = done
        show(done)

    async def work(engine: AsyncEngine) -> str:
        query_api = SQLQueryAPI(engine, timeout=options.timeout)
        try:
            async with aclosing(pieces_of(options.file)) as reader:
                await query_api.import_sessions(
                    reader, max_line_bytes=options.max_line_bytes, progress=remember
                )
        finally:
            # Also before an error: what was imported stays.
            report(_imported(last))
        return ""

    return on_database(options, work)


def _exported(done: ExportReport) -> str:
    return (
        f"exported {done.session_count:,} sessions, {done.run_count:,} runs,"
        f" {done.event_count:,} events"
    )


def _imported(done: ImportReport) -> str:
    return (
        f"imported {done.sessions_imported:,} sessions,"
        f" {done.runs_imported:,} runs, {done.events_imported:,} events;"
        f" {done.sessions_unchanged:,} sessions were here already"
    )


def _progress(sentence: Callable[[Any], str]) -> Callable[[Any], None]:
    """
    Return what reports progress to a terminal, once a second.
    """
    next_time = monotonic() + _SECONDS_BETWEEN_REPORTS
    is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def show(done: object) -> None:
        nonlocal next_time
        if is_terminal and monotonic() >= next_time:
            next_time = monotonic() + _SECONDS_BETWEEN_REPORTS
            report(sentence(done))

    return show
