"""
The port that exports and imports history.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from datetime import datetime
from typing import Protocol, TypeAlias, runtime_checkable

from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport
from asm_async.values.transfer_reports import ExportReport, ImportReport

MAX_LINE_BYTES = 1 << 27
"""
The longest line that is read unless another bound is given: 128 MiB.

A state item whose content has 64 MiB, the most there is, takes 86 MiB.
"""

ExportWriter: TypeAlias = Callable[[bytes], Awaitable[object]]
"""
Takes the next bytes of an export; more are made once it has returned.
"""

ImportReader: TypeAlias = AsyncIterable[bytes]
"""
Yields the bytes of an export, cut anywhere. The next are requested once these are used
up, and an async generator is closed in the end.
"""


@runtime_checkable
class HistoryTransfer(Protocol):
    """
    Exports and imports: the part of ``QueryAPI`` that deals with whole sessions.

    The rules there for filters, deletion and errors hold here too.
    """

    async def export_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> SessionExport:
        """
        Return a session with all it has, soft-deleted or not, as of one moment.

        All of it is held in memory, including the contents of its state items.

        Raises:
            SessionNotFoundError: If no session of this id is stored, or it does not
                belong to *expected_tenant*, if that is given.
        """
        ...

    async def export_sessions(
        self,
        writer: ExportWriter,
        *,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        status: SessionStatus | Collection[SessionStatus] | None = None,
        provider: str | None = None,
        tags: Collection[str] = (),
        parent_session_id: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        include_deleted: bool = False,
        progress: Callable[[ExportReport], object] | None = None,
    ) -> ExportReport:
        """
        Write sessions with all they have, one JSON object a line.

        The sessions that ``search_sessions`` would find, in the order they were
        created, one after another. Each is written as of one moment of its own; agents
        may write meanwhile. A session that is deleted before its turn comes is left
        out, and one whose *created_at* is changed meanwhile may be left out or come
        twice. ``schema/export.schema.json`` describes the lines, which are ASCII. The
        same history always gives the same bytes. Of artifacts, soft-deleted ones too,
        the export has what is registered; their contents are copied along by
        :class:`~asm_async.artifacts.ContentCopier`.

        State items are exported with their session, and without revisions, which each
        store assigns itself. Without any filter, the items of no session come after the
        sessions, as of one moment: they have no tenant, so that no export of one tenant
        has them. Items of the library itself, in scopes that begin with ``asm.``, such
        as leases, are left out.

        It takes memory for one mebibyte of history and for some copies of the largest
        event, run or state item, however long a session is. Data that was read and not
        yet written is in a temporary file, so that no transaction waits for the writer.

        The filters are those of ``search_sessions``. *writer* is an async callable that
        takes the next bytes, always whole lines; more are made once it has returned.
        Its exceptions end the export and are raised here; the bytes so far are then not
        a whole export. *progress* is called with the present report, each time the
        writer has returned.

        Returns:
            The numbers of written records.

        Raises:
            StorageError: Also if a session's counter does not agree with its events, or
                the temporary file cannot be written.
        """
        ...

    async def import_sessions(
        self,
        reader: ImportReader,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        """
        Store the sessions of an export that are not here yet.

        A session keeps everything: its id, its deletion, its revision and times, its
        runs, its artifacts, its state items, its events with their numbers, and its
        counter, so that its next event gets the number it would have got where it came
        from. Its events come into the feed of all sessions as new ones, and its state
        items get new revisions.

        **All or nothing.** Each session is read and checked to its end, then stored. If
        anything is wrong with one, those before it stay imported, nothing of it is
        left, and those after it are not read. In a database one of more than some
        thousand lines, or a mebibyte, is stored in parts: until the last of them it
        counts as soft-deleted, and cannot be exported or restored. State items that go
        with no session are stored some at a time, after the sessions.

        **Idempotence.** A session that is here already, exactly as it is in the export,
        is left as it is; so an import that was interrupted is repeated from the start,
        and continues with the session that was in progress. One that is here with any
        other content, with more or fewer events, or that was hard-deleted here, is
        refused: histories are neither merged nor replaced. The same holds for a state
        item that goes with no session: the same content is left as it is, whenever it
        was saved, and any other is refused.

        **Cost.** While a session is being stored, no other caller writes to it. Other
        writers on SQLite, and the feed of all sessions on PostgreSQL, wait for a part.
        It takes memory as an export does.

        Args:
            reader: An async iterable of bytes, cut anywhere. More is read from it only
                when the last bytes were used up, and never within a transaction. An
                async generator is closed in the end, also if it was not read through.

            max_line_bytes: The longest line to accept; longer ones are not kept.

            progress: Called with the present report: after each session, and after
                every thousand lines.

        Returns:
            The numbers of records that were read, that are new, and that were stored
            already.

        Raises:
            ValidationError: If a line is wrong or out of place, or the export is cut
                off; the message begins with the number of the line and the path of the
                culprit.

            HistoryConflictError: If a session's id has another history here, or had
                one, or one of its runs or artifacts has the id of another's here, or an
                artifact the key of another one, or a state item the scope and key.

            ConflictError: If a state item that goes with no session is here with other
                content.
        """
        ...
