"""
``asm import``: history from an export, or from what another program has recorded.
"""

from __future__ import annotations

from contextlib import aclosing
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
from asm_async.cli.files import STANDARD, DamagedFileError, pieces_of
from asm_async.cli.importing_history import (
    NO_HISTORY_OPTIONS,
    HistoryOptions,
    import_history,
)
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.running_report import RunningReport
from asm_async.errors import ValidationError
from asm_async.ports.history_transfer import MAX_LINE_BYTES
from asm_async.ports.together import Ports
from asm_async.values.transfer_reports import ImportReport


def import_sessions(
    file: Annotated[str, Parameter(metavar="FILE", allow_leading_hyphen=True)],
    /,
    *,
    kind: Annotated[str | None, Parameter(name="--from", metavar="KIND")] = None,
    max_line_bytes: Annotated[int, Parameter(metavar="BYTES")] = MAX_LINE_BYTES,
    contents: ContentOptions = NO_CONTENTS,
    history: HistoryOptions = NO_HISTORY_OPTIONS,
    options: Options = DEFAULTS,
) -> int | None:
    """
    Store what of an export is not in the database yet.

    Each session is stored whole or not at all, so that the command can be repeated.
    How much was imported is reported on standard error; with --json it is printed as an
    object of counts.

    With --from it stores what another program has recorded, in a file, a folder or a
    database: all of it that is not here yet, in whole batches. What is not understood
    is reported by file and line, and stops nothing.

    Args:
        file: What to read; compressed if it ends with .gz; - is standard input.

        kind: The kind of program that recorded it, or auto to look at the file.

        max_line_bytes: The longest line to accept.
    """
    if file.startswith("-") and file != STANDARD:
        raise ValidationError(f"unknown option: {file}; a file is ./{file}")
    if kind is not None:
        return import_history(
            file,
            kind,
            max_line_bytes=max_line_bytes,
            contents=contents,
            history=history,
            options=options,
        )
    history.check_unused()
    stores, copier = contents.stores(), None
    if stores is not None:
        check_source(stores[1])
        copier = ContentCopier(stores[1], stores[0])
    running = RunningReport(
        options, ImportReport(), lambda done: _imported(done, copier)
    )

    async def work(ports: Ports) -> None:
        reader = pieces_of(file)
        if copier is not None:
            reader = copier.reader(reader, max_line_bytes=max_line_bytes)
        try:
            async with aclosing(reader):
                await ports.query.import_sessions(
                    reader, max_line_bytes=max_line_bytes, progress=running.show
                )
        except ValidationError as error:
            raise DamagedFileError(str(error)) from error
        finally:
            running.finish()

    on_ports(options, work)
    return None


def _imported(done: ImportReport, copier: ContentCopier | None) -> str:
    counts = (
        f"imported {done.sessions_imported:,} sessions,"
        f" {done.runs_imported:,} runs, {done.artifacts_imported:,} artifacts,"
        f" {done.items_imported:,} state items, {done.events_imported:,} events;"
        f" {done.sessions_unchanged:,} sessions were here already"
    )
    if copier is None:
        return counts
    return counts + copied(copier.content_count, copier.byte_count)
