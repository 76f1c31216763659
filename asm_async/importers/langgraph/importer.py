"""
The importer of the databases of LangGraph's savers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from asm_async.importers.databases.open_source import SQLITE_BEGINNING, open_source
from asm_async.importers.importer import ImportContext
from asm_async.importers.langgraph.checkpoints import Checkpoints
from asm_async.importers.langgraph.thread import Thread
from asm_async.importers.langgraph.writes import Writes
from asm_async.importers.records import Incoming, NotUnderstoodError
from asm_async.importers.summary import ProblemCode


class LangGraphImporter:
    """
    Reads the threads of LangGraph, as its SQLite and PostgreSQL savers store them.

    Each becomes a session, to which messages are appended once, in the order of the
    checkpoints, with an event for each checkpoint and a run for each invocation. A
    fork, and a subgraph that keeps its own state, is a session below it.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file is a database with a table of checkpoints.
        """
        del path
        return beginning.startswith(SQLITE_BEGINNING) and b"checkpoint_ns" in beginning

    async def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the checkpoints of one thread after the other.

        Raises:
            ValidationError: If the database has no checkpoints that are known.
        """
        async with open_source(context) as source:
            tables = await source.tables()
            checkpoints, writes = Checkpoints(source, tables), Writes(source, tables)
            thread: Thread | None = None
            async for row, place in checkpoints.rows():
                context.tally.add(byte_count=place.byte_count)
                try:
                    checkpoint = checkpoints.read(row)
                except NotUnderstoodError as error:
                    keys = [value for key, value in row.items() if key.endswith("_id")]
                    code, reason = ProblemCode(error.code), f"row {keys}: {error}"
                    context.tally.problem(place, code, reason)
                    continue
                name = checkpoint.thread
                if thread is None or thread.name != name:
                    found = await writes.of_thread(name)
                    thread = Thread(context, checkpoints, name, found)
                yield await thread.take(checkpoint, place)
                context.tally.add(record_count=1)
