"""
A session's transcript on a screen, coloured by who speaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import attrs

from asm_async.cli.event_texts import summary_of, text_of
from asm_async.cli.run_texts import run_line
from asm_async.cli.screen import Screen
from asm_async.cli.styles import BY_ROLE, ERROR, QUIET
from asm_async.cli.times import shown_time
from asm_async.cli.transcript_entries import Entry
from asm_async.conventions import EventFamily
from asm_async.transcripts import Message
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run

_FAILURES = frozenset(
    {EventType.RUN_FAILED, EventType.RUN_TIMEOUT, EventType.SESSION_FAILED}
)


_LONG = 76


@attrs.define(kw_only=True)
class TranscriptPrinter:
    """
    Prints entries, and a run's line where the run first has one.
    """

    screen: Screen
    runs: Mapping[str, Run]
    _seen: set[str] = attrs.field(factory=set[str], init=False)
    _has_begun: bool = attrs.field(default=False, init=False)

    def print(self, entries: Iterable[Entry]) -> None:
        """
        Print some entries.
        """
        for entry in entries:
            match entry.what:
                case Message() as message:
                    self._introduce(message.run_id)
                    self._print_message(message, is_hidden=entry.is_hidden)
                case Event() as event:
                    self._introduce(event.run_id)
                    self._print_event(event, is_hidden=entry.is_hidden)
                case (first, last):
                    numbers = f"#{first}" if first == last else f"#{first} to #{last}"
                    self.screen.line(
                        (f"{numbers} retracted; --hidden shows what it was", QUIET)
                    )
            self._has_begun = True

    def print_silent_runs(self) -> None:
        """
        Print the lines of the runs that no entry was of.
        """
        for run_id in self.runs:
            self._introduce(run_id)

    def _introduce(self, run_id: str | None) -> None:
        run = self.runs.get(run_id or "")
        if run is not None and run.id not in self._seen:
            if self._has_begun:
                self.screen.line()
            self._seen.add(run.id)
            self.screen.line(*run_line(run))

    def _print_message(self, message: Message, *, is_hidden: bool) -> None:
        style = QUIET if is_hidden else BY_ROLE[message.role]
        name = message.tool_name or ""
        heading = {
            (True, False): f"{message.role.value} calls {name}",
            (False, True): f"result of {name}",
        }.get((message.is_call, message.is_result), message.role.value)
        self.screen.line(
            (f"#{message.sequence_number} ", QUIET),
            (heading, style),
            (f"  {shown_time(message.timestamp)}", QUIET),
            (" (retracted)" if is_hidden else "", QUIET),
            (" (unfinished)" if message.is_partial else "", QUIET),
        )
        if message.error_message:
            self.screen.block(message.error_message, ERROR)
        if body := _body_of(message):
            is_error = message.is_error and not message.error_message
            self.screen.block(body, QUIET if is_hidden else ERROR if is_error else "")

    def _print_event(self, event: Event, *, is_hidden: bool) -> None:
        is_error = event.type in _FAILURES or (
            isinstance(event.type, EventType)
            and event.type.family in {EventFamily.ERROR, EventFamily.POLICY}
        )
        self.screen.line(
            (f"#{event.sequence_number} ", QUIET),
            (event.type, ERROR if is_error and not is_hidden else QUIET),
            (f"  {shown_time(event.timestamp)}", QUIET),
            (" (retracted)" if is_hidden else "", QUIET),
        )
        if summary := summary_of(event):
            self.screen.block(summary, QUIET if is_hidden else "")


def _body_of(message: Message) -> str:
    if message.is_call:
        return _readable(message.tool_input)
    if message.is_result:
        return _readable(message.tool_output)
    return text_of(message.content)


def _readable(value: object) -> str:
    """
    Return a text as it is, a long object with a line for each member, others on one.
    """
    if isinstance(value, str):
        return value
    if value in (None, {}, []):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return (
        text if len(text) <= _LONG else json.dumps(value, ensure_ascii=False, indent=2)
    )
