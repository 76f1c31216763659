"""
What callers want written, as values: so that several can share one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import attrs

from asm_async.errors import ASMError
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = [
    "AppendEvents",
    "Flush",
    "Operation",
    "Outcome",
    "SaveRun",
    "SaveSession",
    "Written",
]


_BASE_WEIGHT = 1_024


@attrs.frozen
class AppendEvents:
    """
    ``SessionStore.append_events``; nobody else holds the events.
    """

    events: tuple[Event, ...]
    expected_sequence: int | None
    texts: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    """
    Each event's *data* and *metadata* as they are stored.
    """

    def numbered(self, numbers: Iterable[int]) -> list[Event]:
        """
        Give the events their sequence numbers, when these are committed.
        """
        for event, number in zip(self.events, numbers, strict=False):
            event.take_number(number)
        return list(self.events)

    @property
    def lane(self) -> str:
        """
        The session whose order counts; the first, if there are several.
        """
        return self.events[0].session_id

    @property
    def weight(self) -> int:
        """
        About how many bytes it sends.
        """
        payload = sum(len(data) + len(metadata) for data, metadata in self.texts)
        return payload + _BASE_WEIGHT * len(self.events)

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


@attrs.frozen
class SaveSession:
    """
    ``SessionStore.save_session``.
    """

    session: Session
    expected_revision: int | None

    @property
    def lane(self) -> str:
        """
        The session whose order counts.
        """
        return self.session.id

    @property
    def weight(self) -> int:
        """
        About how many bytes it sends.
        """
        return _session_weight(self.session)

    @property
    def session_ids(self) -> set[str]:
        """
        The session whose rows are written.
        """
        return {self.session.id}

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: a revision can be recognised.

        Without one, the second time could undo what another wrote in between.
        """
        return self.expected_revision is not None


@attrs.frozen
class SaveRun:
    """
    ``SessionStore.save_run``.
    """

    run: Run
    expected_revision: int | None

    @property
    def lane(self) -> str:
        """
        The session whose order counts.
        """
        return self.run.session_id

    @property
    def weight(self) -> int:
        """
        About how many bytes it sends.
        """
        return _run_weight(self.run)

    @property
    def session_ids(self) -> set[str]:
        """
        The session whose rows are written.
        """
        return {self.run.session_id}

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: a revision can be recognised.
        """
        return self.expected_revision is not None


@attrs.frozen
class Flush:
    """
    ``SessionStore.flush``.
    """

    result: ExecutionResult
    expected_sequence: int | None

    @property
    def lane(self) -> str:
        """
        The session whose order counts.
        """
        return self.result.session.id

    @property
    def weight(self) -> int:
        """
        About how many bytes it sends.
        """
        result = self.result
        events = sum(_weight(event.data, event.metadata) for event in result.events)
        return _session_weight(result.session) + _run_weight(result.run) + events

    @property
    def session_ids(self) -> set[str]:
        """
        The session whose rows are written.
        """
        return {self.result.session.id}

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: its events can be recognised.
        """
        return self.expected_sequence is not None and bool(self.result.events)


Operation: TypeAlias = AppendEvents | SaveSession | SaveRun | Flush

Outcome: TypeAlias = list[Event] | Session | Run | ExecutionResult | ASMError
"""
What became of an operation: what is stored, or why it was refused.
"""


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


def _session_weight(session: Session) -> int:
    return _weight(session.metadata, session.context)


def _run_weight(run: Run) -> int:
    return _weight(
        run.input,
        run.output,
        run.error,
        run.metadata,
        run.token_usage,
        run.provider_metadata,
    )


def _weight(*payload: object) -> int:
    return _BASE_WEIGHT + sum(len(encode_json(value)) for value in payload)
