"""
What the lines of a rollout say, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import attrs

from asm_async.conventions import EventOptions, error_occurred
from asm_async.importers.codex.known_types import (
    OTHER_ITEMS,
    OTHER_LINES,
    OTHER_MESSAGES,
)
from asm_async.importers.codex.response_items import add_response_item
from asm_async.importers.codex.rollout_line import RolloutLine, prompt_of
from asm_async.importers.codex.thread import CopiedBeginning, Thread
from asm_async.importers.codex.thread_runs import ThreadRuns
from asm_async.importers.codex.token_counts import TokenCounts
from asm_async.importers.members import object_at, text_of
from asm_async.importers.names import event_id_of
from asm_async.importers.records import NotUnderstoodError, record_event
from asm_async.importers.titles import title_of
from asm_async.transcripts.event_maker import EventMaker
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run

# What an editor puts before it says what is open there.
_REQUEST = "## My request for Codex:"
_OF_MODEL = frozenset({EventType.MESSAGE_RECEIVED, EventType.TOOL_CALL_STARTED})


@attrs.frozen(eq=False)
class Said:
    """
    What a line says.
    """

    events: tuple[Event, ...]
    before: tuple[Event, ...] = ()
    """
    The ends and beginnings of turns that it comes with, without an event of their own.
    """

    title: str | None = None
    rewinds_to: str | None = None


class ThreadReader:
    """
    Reads the lines of one thread in their order.

    Args:
        kind: The kind of source.

        thread: The thread.
    """

    def __init__(self, kind: str, thread: Thread) -> None:
        self.thread: Thread = thread
        self.runs: ThreadRuns = ThreadRuns(kind, thread)
        self.last_event_id: str = ""
        """
        The id of the last event so far; the reader of the lines sets it.
        """
        self._kind = kind
        self._copied = CopiedBeginning(thread)
        self._counts = TokenCounts(is_fork=thread.is_fork)
        self._tool_names: dict[str, str] = {}
        self._has_title = False
        # Whether turns have events of their own; Codex has written them since 2026.
        self._has_turn_events = False
        self._is_answered = True
        self._ends_before_turns: list[str] = []
        self._handlers: Mapping[str, Callable[[RolloutLine, datetime], Said]] = {
            "task_started": self._turn_started,
            "turn_started": self._turn_started,
            "task_complete": self._turn_ended,
            "turn_complete": self._turn_ended,
            "turn_aborted": self._turn_ended,
            "token_count": self._tokens_counted,
            "error": self._error,
            "stream_error": self._error,
            "user_message": self._prompted,
            "thread_name_updated": self._named,
            "thread_rolled_back": self._rolled_back,
        }

    def read(self, line: RolloutLine, time: datetime) -> Said:
        """
        Return what a line says.

        Raises:
            NotUnderstoodError: If nothing is known of its kind.

            ValidationError: If it has another form than its kind has.
        """
        self._copied.look(line, time)
        if line.kind == "response_item":
            return self._item(line, time)
        if line.kind == "event_msg":
            return self._message(line, time)
        if line.kind == "turn_context" and not self._copied.goes_on:
            self.runs.use_model(text_of(line.payload, "model"))
        if line.kind not in OTHER_LINES:
            unknown = f"lines of type {line.kind!r}" if line.kind else "such lines"
            raise NotUnderstoodError(f"nothing is known of {unknown}")
        return self.keep(line, time)

    def keep(self, line: RolloutLine, time: datetime) -> Said:
        """
        Return the event of a line that is kept, and says nothing by the conventions.
        """
        event = record_event(
            session_id=self.thread.session.id,
            event_id=event_id_of(self._kind, line.name),
            timestamp=time,
            kind=self._kind,
            name=text_of(line.payload, "type") or line.kind or "unknown",
        )
        return Said((attrs.evolve(event, run_id=self.runs.run_id),))

    def open_run(self, time: datetime) -> Run | None:
        """
        Return the turn that goes on, as far as the thread has told of it.

        Without events of their own turns are over once they were answered.
        """
        run = self.runs.run if self.runs.is_open else None
        if run is not None and not self._has_turn_events and self._is_answered:
            return run.complete(at=time)
        return run

    def _item(self, line: RolloutLine, time: datetime) -> Said:
        if line.payload.get("type") in OTHER_ITEMS:
            return self.keep(line, time)
        before: tuple[Event, ...] = ()
        if prompt := prompt_of(line):
            if not self._has_turn_events and self._is_answered:
                before = self._begin_turn(line, time, line.name)
            self.runs.ask(prompt)
        maker = EventMaker(
            self.thread.session.id,
            {
                "id_prefix": f"{event_id_of(self._kind, line.name)}/",
                "timestamp": time,
                "run_id": self.runs.run_id,
                "provider": self.thread.provider,
            },
        )
        call_id = text_of(line.payload, "call_id")
        if call_id in self._tool_names:
            maker.name_call(call_id, self._tool_names[call_id])
        add_response_item(maker, line.payload)
        for event in maker.events:
            self._is_answered |= event.type in _OF_MODEL
            if event.type is EventType.TOOL_CALL_STARTED:
                self._tool_names[call_id] = str(event.data["tool_name"])
            elif event.type not in _OF_MODEL:
                self._tool_names.pop(call_id, None)
        return Said(tuple(maker.events), before, self._title_by(prompt))

    def _message(self, line: RolloutLine, time: datetime) -> Said:
        kind = text_of(line.payload, "type")
        if kind in self._handlers:
            return self._handlers[kind](line, time)
        if kind not in OTHER_MESSAGES:
            raise NotUnderstoodError(f"nothing is known of events of type {kind!r}")
        return self.keep(line, time)

    def _turn_started(self, line: RolloutLine, time: datetime) -> Said:
        self._has_turn_events = True
        name = text_of(line.payload, "turn_id") or line.name
        events = self._begin_turn(line, time, name)
        return Said(events[-1:], events[:-1]) if events else self.keep(line, time)

    def _turn_ended(self, line: RolloutLine, time: datetime) -> Said:
        if not self.runs.is_open:
            return self.keep(line, time)
        options, payload = self._options(line), line.payload
        error = object_at(payload, "error")
        if payload.get("type") == "turn_aborted":
            reason = text_of(payload, "reason") or "aborted"
            event = self.runs.cancel(reason, options, time)
        elif error:
            code = text_of(error, "codex_error_info") or "error"
            message = text_of(error, "message") or code
            event = self.runs.fail(code, message, options, time)
        else:
            output = text_of(payload, "last_agent_message") or None
            event = self.runs.complete(output, options, time)
        return Said((event,))

    def _tokens_counted(self, line: RolloutLine, time: datetime) -> Said:
        usage = self._counts.added_by(line.payload)
        if not usage or self._copied.goes_on:
            return self.keep(line, time)
        return Said((self.runs.use_tokens(usage, self._options(line), time),))

    def _error(self, line: RolloutLine, time: datetime) -> Said:
        error = object_at(line.payload, "error") or line.payload
        event = error_occurred(
            session_id=self.thread.session.id,
            error_message=text_of(error, "message") or "an error",
            error_code=text_of(error, "codex_error_info") or None,
            id=event_id_of(self._kind, line.name),
            timestamp=time,
            run_id=self.runs.run_id,
            provider=self.thread.provider,
        )
        return Said((event,))

    def _named(self, line: RolloutLine, time: datetime) -> Said:
        title = text_of(line.payload, "thread_name") or None
        return attrs.evolve(self.keep(line, time), title=title)

    def _prompted(self, line: RolloutLine, time: datetime) -> Said:
        title = self._title_by(text_of(line.payload, "message"))
        return attrs.evolve(self.keep(line, time), title=title)

    def _rolled_back(self, line: RolloutLine, time: datetime) -> Said:
        count, ends = line.payload.get("num_turns"), self._ends_before_turns
        said = self.keep(line, time)
        if type(count) is not int or count < 1 or not ends:
            return said
        taken_back = ends[-count:]
        del ends[-count:]
        return attrs.evolve(said, rewinds_to=taken_back[0])

    def _begin_turn(
        self, line: RolloutLine, time: datetime, name: str
    ) -> tuple[Event, ...]:
        self._ends_before_turns.append(self.last_event_id)
        self._is_answered = False
        if self._copied.goes_on:
            return ()
        before: tuple[Event, ...] = ()
        if self.runs.is_open:
            options = self._options(line, place=3)
            if self._has_turn_events:
                before = (self.runs.interrupt(options, time),)
            else:
                before = (self.runs.complete(None, options, time),)
        place = 1 if self._has_turn_events else 2
        return (*before, self.runs.begin(name, self._options(line, place), time))

    def _title_by(self, prompt: str) -> str | None:
        if self._has_title or self._copied.goes_on:
            return None
        title = title_of(prompt.rpartition(_REQUEST)[2])
        self._has_title = title is not None
        return title

    def _options(self, line: RolloutLine, place: int = 1) -> EventOptions:
        return {"id": event_id_of(self._kind, line.name, place)}
