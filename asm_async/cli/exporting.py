"""
``asm export``: history as a file.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from asm_async.artifacts import ContentCopier
from asm_async.cli.contents import (
    NO_CONTENTS,
    ContentOptions,
    check_source,
    copied,
)
from asm_async.cli.database import on_ports
from asm_async.cli.files import STANDARD, written_file
from asm_async.cli.filters import ALL_SESSIONS, SessionFilters
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.running_report import RunningReport
from asm_async.errors import ValidationError
from asm_async.ports.together import Ports
from asm_async.values.transfer_reports import ExportReport


def export_sessions(
    *,
    output: Annotated[
        str, Parameter(alias="-o", metavar="FILE", allow_leading_hyphen=True)
    ] = STANDARD,
    contents: ContentOptions = NO_CONTENTS,
    filters: SessionFilters = ALL_SESSIONS,
    options: Options = DEFAULTS,
) -> None:
    """
    Write sessions, with all that belongs to them, as lines of JSON.

    If no filter is given, also the state items that belong to no session. A file
    appears under its name only when it is whole. How much was exported is reported on
    standard error; with --json it is printed as an object of counts.

    Args:
        output: Where to write; compressed if it ends with .gz; - is standard output.
    """
    if options.as_json and output == STANDARD:
        raise ValidationError("--json: the export itself is on standard output")
    stores, copier = contents.stores(), None
    if stores is not None:
        check_source(stores[0])
        copier = ContentCopier(*stores)
    running = RunningReport(
        options, ExportReport(), lambda done: _exported(done, copier)
    )

    async def work(ports: Ports) -> ExportReport:
        with written_file(output) as file:

            async def write(data: bytes) -> None:
                await asyncio.to_thread(file.write, data)

            return await ports.query.export_sessions(
                write if copier is None else copier.writer(write),
                progress=running.show,
                **filters.arguments(),
            )

    running.done = on_ports(options, work)
    running.finish()


def _exported(done: ExportReport, copier: ContentCopier | None) -> str:
    counts = (
        f"exported {done.session_count:,} sessions, {done.run_count:,} runs,"
        f" {done.artifact_count:,} artifacts, {done.item_count:,} state items,"
        f" {done.event_count:,} events"
    )
    if copier is None:
        return counts
    return counts + copied(copier.content_count, copier.byte_count)
