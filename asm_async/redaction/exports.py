"""
Redacting what comes from a file, or goes into one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import attrs

from asm_async.ports.history_transfer import MAX_LINE_BYTES, ImportReader
from asm_async.redaction.session_store import redacted
from asm_async.redaction.state_store import redacted_item
from asm_async.transfer.incoming_session import IncomingRecords, split_lines
from asm_async.values.artifact import Artifact
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import ExportedSession, ExportEnd, ExportRecord
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.run import Run
from asm_async.values.state_item import StateItem


async def redacted_export(
    reader: ImportReader,
    policy: RedactionPolicy,
    *,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> AsyncGenerator[bytes]:
    """
    Yield an export line by line without what *policy* replaces.

    Of artifacts the *metadata* is redacted, of state items the *data*; what is in their
    contents is not looked at.

    What comes out is an export again, which ``import_sessions`` takes. The same export
    and policy always give the same lines, so that an import may be repeated.

    Args:
        reader: An async iterable of bytes, cut anywhere, as for ``import_sessions``.

        policy: What to leave out.

        max_line_bytes: The longest line to accept.

    Raises:
        ValidationError: With the number of the line that is wrong.
    """
    async with aclosing(split_lines(reader, max_line_bytes)) as lines:
        records = IncomingRecords(lines, lambda _: None)
        record: ExportRecord | None = None
        while not isinstance(record, ExportEnd):
            record = await records.next()
            yield encode_record(_redacted(record, policy))
        await records.end()


def _redacted(record: ExportRecord, policy: RedactionPolicy) -> ExportRecord:
    if isinstance(record, Run):
        return redacted(record, policy)
    if isinstance(record, Artifact):
        return redacted(record, policy)
    if isinstance(record, StateItem):
        return redacted_item(record, policy)
    # A retraction holds the store's numbers: without them hidden events came back.
    if isinstance(record, Event) and record.type != EVENTS_RETRACTED:
        return redacted(record, policy)
    if isinstance(record, ExportedSession):
        return attrs.evolve(record, session=redacted(record.session, policy))
    return record
