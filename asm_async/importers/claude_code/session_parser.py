"""
From the lines of one session file to records.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath

from asm_async.importers.claude_code.entry import Entry, events_of, run_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.lines import Line
from asm_async.importers.names import session_id_of, time_of
from asm_async.importers.records import Place, Record
from asm_async.values.run import Run
from asm_async.values.session import Session

AGENT_ID = "claude-code"
"""
The ``agent_id`` of sessions that a person leads.
"""

SUBAGENT_ID = "claude-code-subagent"
"""
The ``agent_id`` of sessions of sub-agents.
"""

_NO_TIME = datetime.fromtimestamp(0, UTC)


class SessionFileParser:
    """
    Makes records of the lines of one file, in their order.

    Args:
        context: What the import was asked for.

        shown: The file's path below what is imported; a line that names no session is
            of the one that the file is named for.
    """

    def __init__(self, context: ImportContext, shown: str) -> None:
        self._context = context
        self._file_name = PurePosixPath(shown).name.split(".")[0]
        self._sessions: dict[tuple[str, ...], Session] = {}
        self._tool_names: dict[str, str] = {}
        self._time: datetime = _NO_TIME
        self._open_run: tuple[Session, Run] | None = None

    def take(self, line: Line) -> Iterable[Record]:
        """
        Return what a line says.
        """
        original = line.json_object()
        self._time = time_of(original.get("timestamp")) or self._time
        session = self._session_of(original)
        entry = Entry(self._context.kind, session.id, original, self._time)
        self._tool_names |= entry.called_tools
        run = run_of(entry)
        if run is not None:
            if self._open_run is not None and self._open_run[1].id != run.id:
                yield from self.pause(line.place)
            self._open_run = session, run
        events = events_of(entry, run, self._tool_names)
        yield Record(place=line.place, session=session, events=events)

    def pause(self, place: Place, /) -> Iterable[Record]:
        """
        Return the run whose lines came last.
        """
        if self._open_run is not None:
            session, run = self._open_run
            yield Record(place=place, session=session, runs=(run,))

    def _session_of(self, original: dict[str, object]) -> Session:
        given, agent = original.get("sessionId"), original.get("agentId")
        name = given if isinstance(given, str) and given else self._file_name
        names = (name, agent) if isinstance(agent, str) and agent else (name,)
        if names not in self._sessions:
            is_main = len(names) == 1
            self._sessions[names] = self._context.session(
                *names,
                agent_id=AGENT_ID if is_main else SUBAGENT_ID,
                created_at=self._time,
                parent_id=None if is_main else session_id_of(self._context.kind, name),
            )
        return self._sessions[names]
