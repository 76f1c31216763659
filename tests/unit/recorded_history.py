"""
A history in which every promise was kept, and ways to tamper with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeGuard

import attrs

from asm_async import ExecutionResult, Session, SessionStatus
from asm_async.errors import ConflictError
from asm_async.memory import (
    InMemoryDatabase,
    InMemoryEventFeed,
    InMemorySessionStore,
)
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.testing.history import (
    Call,
    HistoryWriter,
    Outcome,
    RecordingSessionStore,
    SessionContents,
    read_contents,
    read_history,
    record_session,
)

__all__ = ["Case", "flushed", "make_case"]


def flushed(number: int) -> ExecutionResult:
    """
    Make the session, the run and the two events of one flush.
    """
    session_id, run_id = f"ses_flush_{number}", f"run_{number}"
    return ExecutionResult(
        session=make_session(id=session_id),
        run=make_run(id=run_id, session_id=session_id),
        events=tuple(make_events(2, session_id=session_id)),
    )


@attrs.define
class Case:
    """
    Calls and contents that a test may change before they are judged.
    """

    calls: list[Call]
    contents: dict[str, SessionContents]

    def call(self, index: int, **changes: Any) -> None:
        """
        Change a call.
        """
        self.calls[index] = attrs.evolve(self.calls[index], **changes)

    def succeed(self, index: int, result: Any) -> None:
        """
        Let a call that failed have succeeded.
        """
        self.call(index, outcome=Outcome.OK, error=None, result=result)

    def forget(self, index: int) -> None:
        """
        Let the caller of a call have been killed.
        """
        self.call(index, outcome=Outcome.UNKNOWN, end=None, result=None, error=None)

    def hold(self, session_id: str = "ses_1", **changes: Any) -> None:
        """
        Change what a session holds.
        """
        held = self.contents[session_id]
        self.contents[session_id] = attrs.evolve(held, **changes)

    def save(self, session: Session | None) -> None:
        """
        Change the session ``ses_1``.
        """
        self.hold(session=session)

    def drop(self, event_id: str, session_id: str = "ses_1") -> None:
        """
        Lose an event.
        """
        events = self.contents[session_id].events
        self.hold(session_id, events=tuple(e for e in events if e.id != event_id))

    def add(self, event_id: str, **fields: Any) -> None:
        """
        Store an event more, at the end of ``ses_1``.
        """
        number = self.contents["ses_1"].latest + 1
        event = make_event(id=event_id, sequence_number=number, **fields)
        self.hold(events=(*self.contents["ses_1"].events, event), latest=number)

    def change(self, event_id: str, **fields: Any) -> None:
        """
        Change an event that ``ses_1`` holds.
        """
        self.hold(
            events=tuple(
                attrs.evolve(event, **fields) if event.id == event_id else event
                for event in self.contents["ses_1"].events
            )
        )

    def renumber(self, **numbers: int) -> None:
        """
        Give events of ``ses_1`` other numbers, wherever they were seen.
        """
        events = [
            attrs.evolve(
                event, sequence_number=numbers.get(event.id, event.sequence_number)
            )
            for event in self.contents["ses_1"].events
        ]
        in_order = sorted(events, key=lambda event: event.sequence_number)
        self.hold(events=tuple(in_order))
        self.calls = [
            attrs.evolve(
                call,
                result=_renumbered(call.result, numbers),
                given=tuple(_renumbered(list(call.given), numbers)),
            )
            for call in self.calls
        ]


def _renumbered(result: Any, numbers: Mapping[str, int]) -> Any:
    if _is_list(result):
        values = [_with_number(value, numbers) for value in result]
        return sorted(values, key=lambda value: int(value["sequence_number"]))
    return _with_number(result, numbers)


def _with_number(value: Any, numbers: Mapping[str, int]) -> Any:
    if not _is_object(value):
        return value
    number = numbers.get(value.get("id", ""), value.get("sequence_number"))
    return {**value, "sequence_number": number} if number else value


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def ticking() -> Callable[[], int]:
    """
    Return a clock that shows a later time at every look.
    """
    return count().__next__


async def make_case(directory: Path) -> Case:
    """
    Record what a process does, whose calls come one after the other.
    """
    path = directory / "a.jsonl"
    database = InMemoryDatabase()
    plain = InMemorySessionStore(database)
    with HistoryWriter(path, clock=ticking()) as history:
        store = RecordingSessionStore(plain, history)
        active = make_session(status=SessionStatus.ACTIVE)
        await store.save_session(make_session())  # 0
        await store.append_event_with_sequence(make_event())  # 1
        await store.append_events(make_events(2, first=2))  # 2
        await store.append_events(make_events(1, first=4), expected_sequence=3)  # 3
        with suppress(ConflictError):
            await store.append_event(make_event(id="evt_5"), expected_sequence=3)  # 4
        await store.save_session(active, expected_revision=1)  # 5
        with suppress(ConflictError):
            failed = make_session(status=SessionStatus.FAILED)
            await store.save_session(failed, expected_revision=1)  # 6
        await store.flush(flushed(1))  # 7
        history.begin("append_event", event=make_event(id="evt_8"))  # 8
        await plain.append_event(make_event(id="evt_8"))
        history.begin("flush", result=flushed(2))  # 9
        await store.get_events("ses_1", after=1)  # 10
        await store.get_latest_sequence("ses_1")  # 11
        following = record_session(history, InMemoryEventFeed(database), "ses_1")  # 12
        for _ in range(5):
            await anext(following)
        await following.aclose()
    sessions = ["ses_1", "ses_flush_1", "ses_flush_2"]
    return Case(read_history(path), await read_contents(plain, sessions))
