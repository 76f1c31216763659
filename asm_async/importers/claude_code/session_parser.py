"""
From the lines of one session file to records.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from asm_async.errors import ValidationError
from asm_async.importers.attachments import AttachmentFinder
from asm_async.importers.claude_code.branches import Branches
from asm_async.importers.claude_code.entry import Entry
from asm_async.importers.claude_code.entry_events import Maker
from asm_async.importers.claude_code.entry_runs import Answer
from asm_async.importers.claude_code.titles import Titles
from asm_async.importers.importer import ImportContext
from asm_async.importers.lines import Line
from asm_async.importers.names import session_id_of
from asm_async.importers.records import Attachment, Place, Record
from asm_async.importers.summary import ProblemCode
from asm_async.values.session import Session

AGENT_ID = "claude-code"
"""
The ``agent_id`` of sessions that a person leads.
"""

SUBAGENT_ID = "claude-code-subagent"
"""
The ``agent_id`` of sessions of sub-agents.
"""

_MAX_WAITING = 1_000
_MAX_TOOL_NAMES = 10_000


class SessionFileParser:
    """
    Makes records of the lines of one file, in their order.

    Args:
        context: What the import was asked for.

        shown: The file's path below what is imported; where no line names a session, it
            is the one that the file is named for.
    """

    def __init__(self, context: ImportContext, shown: str) -> None:
        self._context = context
        # Lines that name no session are of the one that the lines before them are of.
        self._session_name = PurePosixPath(shown).name.split(".")[0]
        self._sessions: dict[tuple[str, ...], Session] = {}
        self._answers: dict[str, Answer] = {}
        self._tool_names: dict[str, str] = {}
        self._branches = Branches()
        self._titles = Titles()
        self._time: datetime | None = None
        # Lines before the first that tells a time; they are as old as that one.
        self._waiting: list[Entry] = []

    def take(self, line: Line) -> Iterable[Record]:
        """
        Return what a line says.
        """
        entry = Entry.of(line.json_object(), line.place)
        self._time = entry.time or self._time
        if self._time is None:
            self._wait(entry)
            return
        self._session_name = entry.text("sessionId") or self._session_name
        waiting, self._waiting = self._waiting, []
        for each in (*waiting, entry):
            yield from self._told(each, self._time)

    def pause(self, place: Place, /) -> Iterable[Record]:
        """
        Return the runs whose lines came last.
        """
        for answer in self._answers.values():
            yield from self._run_of(answer, place)
        if self._waiting and not self._context.follow:
            self._give_up(self._waiting)

    def _wait(self, entry: Entry) -> None:
        self._waiting.append(entry)
        if len(self._waiting) > _MAX_WAITING:
            self._give_up([self._waiting.pop(0)])

    def _give_up(self, entries: list[Entry]) -> None:
        for entry in entries:
            reason = "neither it nor a line near it tells a time"
            code = ProblemCode.NOT_UNDERSTOOD
            self._context.tally.problem(entry.place, code, reason)

    def _told(self, entry: Entry, time: datetime) -> Generator[Record]:
        root = self._branches.root_of(entry) if entry.is_sidechain else ""
        session = self._session_of(entry, root, time)
        answer = Answer.of(entry, session, time, self._context.kind)
        if answer is not None:
            yield from self._runs_ended_by(answer, entry.place)
        self._remember_tools(entry)
        original, attachments = self._kept(entry, session)
        maker = Maker(
            kind=self._context.kind,
            session_id=session.id,
            run_id=None if answer is None else answer.run_id,
            timestamp=time,
            tool_names=self._tool_names,
        )
        events, reason = maker.events_of(Entry(original, entry.place), original)
        if reason:
            code = ProblemCode.NOT_UNDERSTOOD
            self._context.tally.problem(entry.place, code, f"kept as it is: {reason}")
        rewinds_to = self._branches.rewinds_to(entry)
        self._branches.add(entry, events[-1].id, root)
        yield Record(
            place=entry.place,
            session=session,
            events=events,
            attachments=attachments,
            title=self._titles.title_of(entry, self._branches) if not root else None,
            facts=entry.facts,
            rewinds_to=rewinds_to,
        )

    def _runs_ended_by(self, answer: Answer, place: Place) -> Generator[Record]:
        """
        Yield the run of the answer before this one in the session.
        """
        earlier = self._answers.get(answer.session.id)
        if not answer.continues(earlier) and earlier is not None:
            yield from self._run_of(earlier, place)
        self._answers[answer.session.id] = answer

    def _run_of(self, answer: Answer, place: Place) -> Generator[Record]:
        try:
            yield answer.record(place)
        except ValidationError as error:
            code = ProblemCode.NOT_UNDERSTOOD
            self._context.tally.problem(place, code, f"{answer.run_id}: {error}")

    def _remember_tools(self, entry: Entry) -> None:
        self._tool_names |= entry.called_tools
        while len(self._tool_names) > _MAX_TOOL_NAMES:
            del self._tool_names[next(iter(self._tool_names))]

    def _kept(
        self, entry: Entry, session: Session
    ) -> tuple[dict[str, Any], tuple[Attachment, ...]]:
        """
        Return a line as it is kept, and what of it is kept as artifacts.
        """
        original = dict(entry.original)
        if self._context.artifacts is None:
            return original, ()
        finder = AttachmentFinder(self._context.kind, session.id)
        return finder.without_contents(original), tuple(finder.found.values())

    def _session_of(self, entry: Entry, root: str, time: datetime) -> Session:
        name = entry.text("sessionId") or self._session_name
        below = (entry.text("agentId") or root,) if root else ()
        names = (name, *below)
        if names not in self._sessions:
            self._sessions[names] = self._context.session(
                *names,
                agent_id=SUBAGENT_ID if below else AGENT_ID,
                created_at=time,
                parent_id=session_id_of(self._context.kind, name) if below else None,
            )
        return self._sessions[names]
