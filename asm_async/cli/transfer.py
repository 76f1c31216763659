"""
``python -m asm_async export`` and ``import``: history as files.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.artifacts import ContentCopier
from asm_async.cli.database import add_command, on_database
from asm_async.cli.files import STANDARD, pieces_of, written_file
from asm_async.cli.streams import report
from asm_async.errors import ValidationError
from asm_async.files import LocalArtifactStore
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
    purpose = "Write sessions, with all that belongs to them, as lines of JSON; if"
    purpose += " none are chosen, also the state items that belong to none."
    purpose += " Contents of artifacts are copied if --contents says where to."
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
    _add_stores(command, "where to copy the artifacts' contents to")
    purpose = "Store what of an export is not in the database yet."
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
    _add_stores(command, "where the contents of the export's artifacts lie")


def _add_stores(command: ArgumentParser, purpose: str) -> None:
    command.add_argument(
        "--contents", metavar="DIRECTORY", help=f"{purpose}; needs --artifact-store"
    )
    command.add_argument(
        "--artifact-store",
        metavar="DIRECTORY",
        help="the directory of the LocalArtifactStore that belongs to the database",
    )


def _stores(options: Namespace) -> tuple[LocalArtifactStore, LocalArtifactStore] | None:
    """
    Return the database's store of contents and the export's; None if none are given.
    """
    given = (options.artifact_store, options.contents)
    if given == (None, None):
        return None
    if None in given:
        raise ValidationError(
            "--contents and --artifact-store: contents are copied from one to the"
            " other, so that both are needed"
        )
    database, export = map(LocalArtifactStore, given)
    return database, export


def _check_source(store: LocalArtifactStore) -> None:
    if not store.directory.is_dir():
        raise ValidationError(f"{store.directory}: there is no such directory")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!a} is no time such as 2026-01-31T12:00Z"
        ) from None


def _export(options: Namespace) -> str:
    filters: dict[str, Any] = {name: getattr(options, name) for name in _FILTERS}
    stores, copier = _stores(options), None
    if stores is not None:
        _check_source(stores[0])
        copier = ContentCopier(*stores)

    async def work(engine: AsyncEngine) -> str:
        query_api = SQLQueryAPI(engine, timeout=options.timeout)
        with written_file(options.output) as file:

            async def write(data: bytes) -> None:
                await asyncio.to_thread(file.write, data)

            done = await query_api.export_sessions(
                write if copier is None else copier.writer(write),
                progress=_progress(partial(_exported, copier=copier)),
                **filters,
            )
        # Not on standard output: the export may be going there.
        report(_exported(done, copier))
        return ""

    return on_database(options, work)


def _import(options: Namespace) -> str:
    stores, copier = _stores(options), None
    if stores is not None:
        _check_source(stores[1])
        copier = ContentCopier(stores[1], stores[0])
    last = ImportReport()
    show = _progress(partial(_imported, copier=copier))

    def remember(done: ImportReport) -> None:
        nonlocal last
        last = done
        show(done)

    async def work(engine: AsyncEngine) -> str:
        query_api = SQLQueryAPI(engine, timeout=options.timeout)
        try:
            reader, longest = pieces_of(options.file), options.max_line_bytes
            if copier is not None:
                reader = copier.reader(reader, max_line_bytes=longest)
            async with aclosing(reader):
                await query_api.import_sessions(
                    reader, max_line_bytes=longest, progress=remember
                )
        finally:
            # Also before an error: what was imported stays.
            report(_imported(last, copier))
        return ""

    return on_database(options, work)


def _exported(done: ExportReport, copier: ContentCopier | None) -> str:
    return (
        f"exported {done.session_count:,} sessions, {done.run_count:,} runs,"
        f" {done.artifact_count:,} artifacts, {done.item_count:,} state items,"
        f" {done.event_count:,} events" + _copied(copier)
    )


def _copied(copier: ContentCopier | None) -> str:
    if copier is None:
        return ""
    return f"; copied {copier.content_count:,} contents, {copier.byte_count:,} bytes"


def _imported(done: ImportReport, copier: ContentCopier | None) -> str:
    return (
        f"imported {done.sessions_imported:,} sessions,"
        f" {done.runs_imported:,} runs, {done.artifacts_imported:,} artifacts,"
        f" {done.items_imported:,} state items, {done.events_imported:,} events;"
        f" {done.sessions_unchanged:,} sessions were here already" + _copied(copier)
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
