"""
The importer of the databases of ``SQLiteSession`` and ``SQLAlchemySession``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.databases.open_source import SQLITE_BEGINNING, open_source
from asm_async.importers.databases.source import Query, Row, Source, size_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.openai_agents.history import Branches, History
from asm_async.importers.records import Incoming, NotUnderstoodError, Place, Record
from asm_async.importers.summary import ProblemCode

_MESSAGE_COLUMNS = frozenset({"id", "session_id", "message_data"})
_SESSION_COLUMNS = frozenset({"session_id", "created_at", "updated_at"})


class OpenAIAgentsImporter:
    """
    Reads the sessions of the OpenAI Agents SDK, as its own classes store them.

    Each becomes the session that ``AsmSession`` makes of the same items, so that the
    SDK can continue it there. What ``AdvancedSQLiteSession`` knows beside, branches and
    tokens, becomes further sessions and runs.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file is a database with a table of the SDK's items.
        """
        del path
        return beginning.startswith(SQLITE_BEGINNING) and b"message_data" in beginning

    async def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the items of one session after the other, a record for each row.

        Raises:
            ValidationError: If no table of the database is one of the SDK.
        """
        async with open_source(context) as source:
            tables = await source.tables()
            found = [
                name for name in sorted(tables) if {*tables[name]} >= _MESSAGE_COLUMNS
            ]
            if not found:
                raise ValidationError(
                    f"{context.kind}: the database has no table with the columns"
                    f" {', '.join(sorted(_MESSAGE_COLUMNS))}"
                )
            for table in found:
                reader = _Reader(context, source, tables, table)
                async for record in reader.records():
                    yield record


@attrs.define(eq=False)
class _Reader:
    """
    Reads one table of items.
    """

    context: ImportContext
    source: Source
    tables: Mapping[str, Sequence[str]]
    table: str

    async def records(self) -> AsyncIterator[Record]:
        names = Query(
            table=self.table,
            columns=["session_id"],
            order_by=["session_id"],
            distinct=True,
        )
        async for page in self.source.pages(names):
            for row in page:
                async for record in self._of_session(row["session_id"]):
                    yield record

    async def _of_session(self, name: Any) -> AsyncIterator[Record]:
        if not isinstance(name, str):
            place = Place(self.table, 0)
            reason = f"session_id {name!r} is no text"
            self.context.tally.problem(place, ProblemCode.NOT_UNDERSTOOD, reason)
            return
        branches = Branches()
        if "message_structure" in self.tables:
            branches = await self._branches(name)
        history = History(self.context, name, await self._begin(name), branches)
        columns = ["id", "message_data"]
        if has_times := "created_at" in self.tables[self.table]:
            columns.append("created_at")
        rows = Query(
            table=self.table,
            columns=columns,
            where={"session_id": name},
            order_by=["id"],
            server_times=["created_at"] if has_times else [],
        )
        async for page in self.source.pages(rows):
            for row in page:
                for record in self._taken(history, name, row):
                    yield record

    def _taken(self, history: History, name: str, row: Row) -> Sequence[Record]:
        number = row["id"] if isinstance(row["id"], int) and row["id"] > 0 else 0
        size = size_of(list(row.values()))
        place = Place(self.table, number, size)
        tally = self.context.tally
        tally.add(byte_count=size)
        try:
            records = history.take(row, place)
        except NotUnderstoodError as error:
            code, reason = (
                ProblemCode(error.code),
                f"row {row['id']} of {name!r}: {error}",
            )
            tally.problem(place, code, reason)
            return ()
        tally.add(record_count=1)
        return records

    async def _begin(self, name: str) -> object:
        """
        Return when a session began, by the table of sessions.
        """
        for table in sorted(self.tables):
            columns = {*self.tables[table]}
            if not (columns >= _SESSION_COLUMNS and "message_data" not in columns):
                continue
            query = Query(
                table=table,
                columns=["session_id", "created_at"],
                where={"session_id": name},
                order_by=["session_id"],
                server_times=["created_at"],
            )
            if (row := await self.source.first(query)) is not None:
                return row["created_at"]
        return None

    async def _branches(self, name: str) -> Branches:
        """
        Return what the tables of ``AdvancedSQLiteSession`` say of a session.
        """
        branches = Branches()
        for table, take in (
            ("message_structure", branches.add_place),
            ("turn_usage", branches.add_usage),
        ):
            if table not in self.tables:
                continue
            query = Query(
                table=table,
                columns=self.tables[table],
                where={"session_id": name},
                order_by=["id"],
            )
            async for page in self.source.pages(query):
                for row in page:
                    take(row)
        return branches
