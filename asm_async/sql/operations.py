"""
What callers want written, as values: so that several can share one transaction.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["AppendEvents", "Flush", "Operation", "SaveRun", "SaveSession"]


@attrs.frozen
class AppendEvents:
    """
    ``SessionStore.append_events``.
    """

    events: tuple[Event, ...]
    expected_sequence: int | None

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
