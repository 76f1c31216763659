"""
What callers want written, as values: so that several can share one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from asm_async.errors import ASMError, RevisionConflictError
from asm_async.fronts.expectations import Expectations
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

_BASE_SIZE = 1_024

EventTexts: TypeAlias = tuple[str, str]
"""
An event's *data* and *metadata* as they are stored.
"""


@attrs.define(eq=False)
class AppendEvents:
    """
    ``SessionStore.append_events``; nobody else holds the events.
    """

    events: Sequence[Event]
    expected_sequence: int | None
    texts: Sequence[EventTexts]
    expected_tenant: str | None = None

    def numbered(self, numbers: Iterable[int]) -> list[Event]:
        """
        Return the events, with the sequence numbers under which they are committed.
        """
        for event, number in zip(self.events, numbers, strict=False):
            event.take_number(number)
        return list(self.events)

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts; the first, if there are several.
        """
        return self.events[0].session_id

    @property
    def size(self) -> int:
        """
        About how many bytes it sends.
        """
        return _size_of(self.texts)

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions whose rows are written.
        """
        return {event.session_id for event in self.events}

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: events are deduplicated by id.
        """
        return True


@attrs.define(eq=False)
class _OfOneSession(ABC):
    expected: Expectations = attrs.field(kw_only=True)

    @property
    @abstractmethod
    def partition_key(self) -> str:
        """
        The session whose order counts, and whose rows are written.
        """

    @property
    def session_ids(self) -> set[str]:
        return {self.partition_key}


@attrs.define(eq=False)
class _Save(_OfOneSession):
    @property
    def size(self) -> int:
        """
        About how many bytes it sends, without what its JSON comes to.
        """
        return _BASE_SIZE

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: it expects a revision.

        Without one, the second time could undo what another wrote in between.
        """
        return self.expected.expected_revision is not None


@attrs.define(eq=False)
class SaveSession(_Save):
    """
    ``SessionStore.save_session``.
    """

    session: Session

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts.
        """
        return self.session.id


@attrs.define(eq=False)
class SaveRun(_Save):
    """
    ``SessionStore.save_run``.
    """

    run: Run

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts.
        """
        return self.run.session_id


@attrs.define(eq=False)
class Flush(_OfOneSession):
    """
    ``SessionStore.flush``; nobody else holds the values.
    """

    session_id: str
    session: Session | None
    run: Run | None
    events: Sequence[Event]
    texts: Sequence[EventTexts]

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts.
        """
        return self.session_id

    @property
    def size(self) -> int:
        """
        About how many bytes it sends, but for the JSON of session and run.
        """
        return 2 * _BASE_SIZE + _size_of(self.texts)

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once.

        It is where there is nothing but events, or a revision is expected, or the
        events stand behind an expected number.
        """
        expected = self.expected
        return (
            (self.session is None and self.run is None)
            or expected.expected_revision is not None
            or (expected.expected_sequence is not None and bool(self.events))
        )


Operation: TypeAlias = AppendEvents | SaveSession | SaveRun | Flush

Outcome: TypeAlias = list[Event] | Session | Run | ExecutionResult | ASMError
"""
What became of an operation: what is stored, or why it was refused.
"""


def may_hide_a_commit(outcome: Outcome) -> bool:
    """
    Return whether an operation that is refused so may have been done all the same.

    A try whose answer was lost may have been committed, and others have saved since, or
    removed what it saved. Where another's is the next revision it was not.
    """
    if not isinstance(outcome, RevisionConflictError):
        return False
    is_gone = outcome.actual == 0 < outcome.expected
    return is_gone or outcome.actual > outcome.expected + 1


@attrs.frozen(kw_only=True)
class Written:
    """
    What became of a group of operations.
    """

    outcomes: list[Outcome]
    """
    The outcomes, in the order of the operations.
    """

    first_position: int | None = None
    """
    The place in the feed of the first event, behind which the others stand one by one;
    None where only reading tells.
    """


def _size_of(texts: Sequence[EventTexts]) -> int:
    payload = sum([len(data) + len(metadata) for data, metadata in texts])
    return payload + _BASE_SIZE * len(texts)
