"""
Histories and contents, sorted by what the rules ask about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from asm_async.testing.history.calls import Call, Outcome
from asm_async.testing.history.contents import SessionContents
from asm_async.testing.history.plain_values import (
    changes_of,
    committed_of,
    events_of,
    execution_result_of,
)
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["Append", "Attempt", "Evidence", "Save", "named_sessions"]


@attrs.frozen
class Attempt:
    """
    One event that one call was to append.
    """

    call: Call
    event: Event
    stored: Event | None
    """
    What the caller was given as stored; None if nothing, or the call did not succeed.
    """


@attrs.frozen
class Append:
    """
    The events of one call that appends or flushes, each id once, in the order given.
    """

    call: Call
    attempts: tuple[Attempt, ...]
    expected_sequence: int | None

    def by_session(self) -> dict[str, list[Attempt]]:
        """
        Return the attempts of each session.
        """
        found: dict[str, list[Attempt]] = {}
        for attempt in self.attempts:
            found.setdefault(attempt.event.session_id, []).append(attempt)
        return found


@attrs.frozen
class Save:
    """
    A session or run that one call was to save.
    """

    call: Call
    value: Session | Run
    stored: Session | Run | None
    expected_revision: int | None
    may_be_a_repeat: bool
    """
    Whether it may have been done before: repeated, that gives what is stored.
    """

    @property
    def session_id(self) -> str:
        """
        The session that is saved, or whose run.
        """
        return (
            self.value.id if isinstance(self.value, Session) else self.value.session_id
        )

    @property
    def subject(self) -> str:
        """
        What is saved, by name.
        """
        return f"{type(self.value).__name__.lower()} {self.value.id!r}"


class Evidence:
    """
    All that the rules are judged by.

    Args:
        calls: Those of all processes.

        contents: Of all sessions that are judged.
    """

    def __init__(
        self, calls: Iterable[Call], contents: Mapping[str, SessionContents]
    ) -> None:
        self.calls: list[Call] = sorted(calls, key=lambda call: call.start)
        self.contents = contents
        self.appends: list[Append] = [
            append for call in self.calls for append in _appends(call)
        ]
        self.saves: dict[str, list[Save]] = {}
        self.deletions: dict[str, list[Call]] = {}
        self.retractions: set[str] = {
            call.arguments["operation_id"]
            for call in self.calls
            if call.operation == "retract_events" and call.outcome != Outcome.FAILED
        }
        self.attempts: dict[str, dict[str, list[Attempt]]] = {
            session_id: {} for session_id in contents
        }
        self.copies: set[str] = {
            call.arguments["target"]["id"]
            for call in self.calls
            if call.operation == "copy_session" and call.outcome != Outcome.FAILED
        }
        """
        Sessions whose first events may be those of another one.
        """
        for call in self.calls:
            for save in _saves(call):
                self.saves.setdefault(save.subject, []).append(save)
            if call.operation == "delete_session" and call.outcome != Outcome.FAILED:
                self.deletions.setdefault(call.arguments["session_id"], []).append(call)
        for append in self.appends:
            for attempt in append.attempts:
                of_session = self.attempts.setdefault(attempt.event.session_id, {})
                of_session.setdefault(attempt.event.id, []).append(attempt)
        self._by_id = {
            session_id: {event.id: event for event in held.events}
            for session_id, held in contents.items()
        }
        self._by_number = {
            session_id: {event.sequence_number: event for event in held.events}
            for session_id, held in contents.items()
        }

    def held(self, session_id: str) -> SessionContents:
        """
        Return what a session holds in the end.
        """
        return self.contents.get(session_id) or SessionContents()

    def event(self, session_id: str, event_id: str) -> Event | None:
        """
        Return the event of this id that is there in the end.
        """
        return self._by_id.get(session_id, {}).get(event_id)

    def event_at(self, session_id: str, number: int) -> Event | None:
        """
        Return the event that has this number in the end.
        """
        return self._by_number.get(session_id, {}).get(number)

    def number_of(self, attempt: Attempt) -> int | None:
        """
        Return the number the caller was told, or else the one its event has in the end.
        """
        if attempt.stored is not None:
            return attempt.stored.sequence_number
        held = self.event(attempt.event.session_id, attempt.event.id)
        return None if held is None else held.sequence_number

    def knows_number_of(self, attempt: Attempt) -> bool:
        """
        Return whether :meth:`number_of` is about this attempt, not about a later one.
        """
        is_told = attempt.stored is not None
        return is_told or not self.has_lost_some(attempt.event.session_id)

    def is_own(self, attempt: Attempt) -> bool:
        """
        Return whether no other call can have stored the event.
        """
        attempts = self.attempts[attempt.event.session_id][attempt.event.id]
        return not any(
            other is not attempt and other.call.outcome is not Outcome.FAILED
            for other in attempts
        )

    def has_lost_some(self, session_id: str) -> bool:
        """
        Return whether some of the session's events were pruned, or it may be deleted.
        """
        return bool(self.held(session_id).pruned or self.deletions.get(session_id))

    def may_be_gone(self, session_id: str, since: Call) -> bool:
        """
        Return whether what *since* stored may have been pruned or deleted after it.
        """
        if self.held(session_id).pruned:
            return True
        deletions = self.deletions.get(session_id, [])
        return any(call.end is None or call.end > since.start for call in deletions)


def named_sessions(calls: Iterable[Call]) -> list[str]:
    """
    Return the ids of the sessions that *calls* have to do with.
    """
    found: dict[str, None] = {}
    for call in calls:
        if session_id := call.arguments.get("session_id"):
            found[session_id] = None
        found |= dict.fromkeys(save.session_id for save in _saves(call))
        for append in _appends(call):
            found |= dict.fromkeys(append.by_session())
    return list(found)


def _is_invalid(call: Call) -> bool:
    """
    Return whether the arguments were refused; then they may be anything.
    """
    return call.error is not None and call.error["type"] == "ValidationError"


def _appends(call: Call) -> Iterator[Append]:
    if _is_invalid(call):
        return
    result: Any = call.result
    match call.operation:
        case "append_event":
            events, stored = events_of([call.arguments["event"]]), None
        case "append_event_with_sequence":
            events = events_of([call.arguments["event"]])
            stored = None if result is None else [result]
        case "append_events":
            events, stored = events_of(call.arguments["events"]), result
        case "retract_events":
            # The event that tells of it is the store's own: it is what it came back as.
            first: Any = () if result is None else result[:1]
            events = events_of([*first, *call.arguments.get("replacement", ())])
            stored = result
        case "flush":
            events = execution_result_of(call.arguments["result"]).events
            stored = None if result is None else result["events"]
        case "commit":
            events = changes_of(call.arguments["changes"]).events
            stored = None if result is None else result["events"]
        case _:
            return
    given: Sequence[Event | None] = [None] * len(events)
    if stored is not None:
        given = events_of(stored)
    attempts: dict[tuple[str, str], Attempt] = {}
    for event, acknowledged in zip(events, given, strict=True):
        key = event.session_id, event.id
        attempts.setdefault(key, Attempt(call, event, acknowledged))
    expected = call.arguments.get("expected_sequence")
    yield Append(call, tuple(attempts.values()), expected)


def _saves(call: Call) -> Iterator[Save]:
    if _is_invalid(call):
        return
    arguments, result = call.arguments, call.result
    expected = arguments.get("expected_revision")
    may_be_a_repeat = arguments.get("operation_id") is not None
    match call.operation:
        case "save_session":
            yield Save(
                call,
                Session.from_dict(arguments["session"]),
                None if result is None else Session.from_dict(result),
                expected,
                may_be_a_repeat,
            )
        case "save_run":
            yield Save(
                call,
                Run.from_dict(arguments["run"]),
                None if result is None else Run.from_dict(result),
                expected,
                may_be_a_repeat,
            )
        case "flush":
            given = execution_result_of(arguments["result"])
            back = None if result is None else execution_result_of(result)
            repeats = may_be_a_repeat or (
                expected is None and arguments.get("expected_sequence") is not None
            )
            session, run = (back.session, back.run) if back else (None, None)
            if given.session is not None:
                yield Save(call, given.session, session, expected, repeats)
            if given.run is not None:
                yield Save(call, given.run, run, None, repeats)
        case "commit":
            yield from _saves_of_commit(call)
        case _:
            return


def _saves_of_commit(call: Call) -> Iterator[Save]:
    arguments = call.arguments
    given = changes_of(arguments["changes"])
    back = None if call.result is None else committed_of(call.result)
    # A history that was written to a file has no arguments that are None.
    expected = arguments.get("expected_revision")
    of_runs: dict[str, int] = arguments.get("expected_revisions") or {}
    sequence = arguments.get("expected_sequence")
    is_repeat = arguments.get("operation_id") is not None or (
        expected is None and not of_runs and sequence is not None
    )
    session = None if back is None else back.session
    if given.session is not None:
        yield Save(call, given.session, session, expected, is_repeat)
    elif given.create_session is not None and (back is None or session is not None):
        yield Save(call, given.create_session, session, None, is_repeat)
    runs: Sequence[Run | None] = back.runs if back else [None] * len(given.runs)
    for run, stored in zip(given.runs, runs, strict=True):
        yield Save(call, run, stored, of_runs.get(run.id), is_repeat)
